//! F(n) by transforms: fast doubling on the pair (F, L) in limbs of a few decimal digits.
//!
//! F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k, F(m+1) = (F(m) + L(m)) / 2, L(m+1) = (5F(m) + L(m)) / 2, L being the
//! Lucas numbers (Knuth, The Art of Computer Programming, 1.2.8). Both products of a step share their transforms,
//! and the last step calculates F alone. The result is right when the roundings were; whether they were is for
//! the caller to decide, by the distance that comes with it.

use std::num::NonZeroUsize;

use crate::carry::{Base, Wanted, carry};
use crate::exact;
use crate::text;
use crate::transform::{Products, Shape, Workspace};

/// Decimal digits of φ^n for each n: log10 of the golden ratio.
const LOG10_PHI: f64 = 0.208_987_640_249_978_73;

/// The digits of F(`n`), and how far from an integer any coefficient was at most.
///
/// `None` when there is no transform so long, or a rounding was wrong beyond doubt.
pub(crate) fn digits(n: u64, threads: NonZeroUsize) -> Option<(String, f64)> {
    let digits = limb_digits(n);
    let base = Base { digits, written: false };
    let bits = (0..u64::BITS).find(|bits| n >> bits <= SEED)?;
    let len = |k: u64| limbs_of(k, digits);
    let shapes: Vec<Shape> =
        (0..bits).rev().map(|bit| Shape::for_product(2 * len(n >> (bit + 1)))).collect::<Option<_>>()?;
    let mut workspace = Workspace::new(&shapes, threads.get());

    // The limbs above a number are zeros, as far as the next transform asks for them.
    let (last, others) = shapes.split_last()?;
    let mut f = vec![0; 2 * last.area()];
    let mut l = vec![0; others.iter().map(|shape| 2 * shape.area()).fold(last.area(), usize::max)];
    let seed = exact::pair(n >> bits);
    for (limbs, seed) in [&mut f, &mut l].into_iter().zip(&seed) {
        text::to_limbs(seed, digits, limbs);
        for index in 0..len(n >> bits) {
            base.add(limbs, index, 0);
        }
    }

    let mut distance = 0.0_f64;
    for (bit, shape) in (0..bits).rev().zip(&shapes) {
        let k = n >> (bit + 1);
        let odd = n >> bit & 1 == 1;
        let sign = if k % 2 == 0 { 1 } else { -1 };
        let (products, wanted, base) = match (bit, odd) {
            (0, false) => (Products::First, Wanted::First, Base { written: true, ..base }),
            (0, true) => (Products::Sum, Wanted::HalfOfFirst, Base { written: true, ..base }),
            (_, false) => (Products::Both, Wanted::Both, base),
            (_, true) => (Products::Both, Wanted::BothOfNext, base),
        };
        workspace.multiply(shape, &f, &l, products);
        let rounding = carry(&workspace, shape, base, wanted, &mut f, &mut l);
        let constants_fit = match wanted {
            Wanted::Both => base.add(&mut l, 0, -2 * sign),
            Wanted::BothOfNext => base.add(&mut f, 0, -sign) & base.add(&mut l, 0, -sign),
            Wanted::First => true,
            Wanted::HalfOfFirst => base.add(&mut f, 0, -sign),
        };
        if rounding.leftover || !constants_fit {
            return None;
        }
        distance = distance.max(rounding.distance);
    }
    drop(workspace);
    drop(l);
    Some((text::from_decimal_limbs(&f, digits as usize, threads), distance))
}

/// The largest index from which the transforms start; the exact method is quick to find the pair there.
const SEED: u64 = 4_000;

fn limb_digits(n: u64) -> u32 {
    if n <= 20_000_000 { 6 } else { 5 }
}

/// Limbs of L(`k`), and one that a balanced highest limb may carry into.
fn limbs_of(k: u64, digits: u32) -> usize {
    (k as f64 * LOG10_PHI) as usize / digits as usize + 2
}
