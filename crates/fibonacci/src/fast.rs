//! F(n) by transforms: fast doubling on the pair (F, L) in limbs of a few decimal digits.
//!
//! F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k, F(m+1) = (F(m) + L(m)) / 2, L(m+1) = (5F(m) + L(m)) / 2, L being the
//! Lucas numbers (Knuth, The Art of Computer Programming, 1.2.8, exercises). Both products of a step share their
//! transforms, and the last step calculates F alone. It does not decide whether the result is right.
//!
//! # The error
//!
//! A product of numbers of m limbs, balanced about 0 in base B, has coefficients of about B²/12 · √m: limbs of F(n)
//! and L(n) are as good as random, with a mean of 0 and a variance of B²/12. On its way there and back each passes
//! 3·log₂ m steps of transforms, and each step rounds by up to ε = 2^-53 of its size, in a direction that is as good
//! as random too. That makes a standard deviation of F·L of at most
//!
//!   σ = ε · B²/12 · √m · √(3·log₂ m).
//!
//! In L² both factors err alike, which makes it √2 times as much; in the last step to an odd n, (F + L)·L, half of
//! the sum does, which makes it √3 times as much. Roundings are on average off by less than ε, and the roots of unity
//! are rounded too: together they come to about 0.8 of that. The largest of 2m such errors is near √(2·ln 2m) times
//! their deviation. The model is the one by which limbs have been chosen since Crandall and Fagin, "Discrete weighted
//! transforms and large-integer arithmetic", Mathematics of Computation 62 (1994). For odd n it gives
//! 1.4·σ·√(2·ln 2m), and measurements are:
//!
//! | n | B | model | largest of some |
//! |---|---|---|---|
//! | 10^6 | 10^6 | 0.05 | 0.05 |
//! | 3·10^6 | 10^6 | 0.10 | 0.11 |
//! | 10^8 | 10^5 | 0.008 | 0.008 |
//! | 3·10^9 | 10^5 | 0.06 | |
//!
//! An error passes unseen when it comes within the accepted quarter of another integer: above three quarters, more
//! than six times the largest expected. What is proven for the worst case (Brent, Percival and Zimmermann, "Error
//! bounds on complex floating-point multiplication", Mathematics of Computation 76 (2007)) is larger by orders of
//! magnitude than what occurs, and at n = 10^8 leaves room for limbs of three digits. So the distances are measured
//! in every step, and the digits are checked afterwards: on the model rests the speed, not the result.

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
    for (limbs, text) in [&mut f, &mut l].into_iter().zip(exact::pair(n >> bits)) {
        for (index, limb) in text::to_limbs(&text, digits).enumerate() {
            base.add(limbs, index, limb.into());
        }
    }

    let mut distance = 0.0_f64;
    for (bit, shape) in (0..bits).rev().zip(&shapes) {
        let k = n >> (bit + 1);
        let odd = n >> bit & 1 == 1;
        let sign = if k.is_multiple_of(2) { 1 } else { -1 };
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
    Some((text::from_short_limbs(&f, digits, threads), distance))
}

/// The largest index from which the transforms start: up to there integers are quicker.
const SEED: u64 = 1_500;

/// The largest n with limbs of six digits.
const LAST_OF_SIX: u64 = 3_000_000;

/// Digits of a limb on the way to F(`n`): see the module's page for the error that goes with them.
fn limb_digits(n: u64) -> u32 {
    if n <= LAST_OF_SIX { 6 } else { 5 }
}

/// Limbs of L(`k`), and one that a balanced highest limb may carry into.
fn limbs_of(k: u64, digits: u32) -> usize {
    (k as f64 * LOG10_PHI) as usize / digits as usize + 2
}
