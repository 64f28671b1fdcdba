//! Fast doubling by FFT, on limbs of five or six decimal digits that are balanced about 0.
//!
//! `convolution` multiplies and `carry` turns the coefficients into limbs again. The rounding
//! errors are reported, not judged.

use std::num::NonZeroUsize;

use crate::carry::{Radix, carry};
use crate::convolution::{Convolution, Products, Shape};
use crate::{seed, text};

/// log10 φ: the decimal digits that F(n) gains with each n.
const LOG10_PHI: f64 = 0.208_987_640_249_978_73;

/// The decimal digits of F(`n`), and the largest rounding error of any coefficient.
///
/// `None` when no transform is long enough, or when a carry leaves the number because a coefficient
/// was wrong; below n = 256 also because the number is shorter than half of the shortest transform.
///
/// The formulas, with the Lucas numbers L and m = 2k, are (Knuth, The Art of Computer Programming,
/// 1.2.8, exercises)
///
///   F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k,
///   F(m+1) = (F(m) + L(m)) / 2, L(m+1) = (5F(m) + L(m)) / 2.
///
/// The last step computes F alone.
pub(crate) fn digits(n: u64, threads: NonZeroUsize) -> Option<(String, f64)> {
    let digits = limb_digits(n);
    let (bits, f_seed, l_seed) = seed(n);
    let product_len = |bit: u32| 2 * limbs_of(n >> (bit + 1), digits);
    let shapes: Vec<Shape> =
        (0..bits).rev().map(|bit| Shape::for_product(product_len(bit))).collect::<Option<_>>()?;
    let mut convolution = Convolution::new(&shapes, threads.get());

    // The limbs above a number stay zero, as far as the next transform reads them.
    let (last, others) = shapes.split_last()?;
    let mut f = vec![0; 2 * last.area()];
    let mut l = vec![0; others.iter().map(|shape| 2 * shape.area()).fold(last.area(), usize::max)];
    let balanced = Radix { digits, balanced: true };
    balanced.add(&mut f, 0, f_seed);
    balanced.add(&mut l, 0, l_seed);

    let mut error = 0.0_f64;
    for (bit, shape) in (0..bits).rev().zip(&shapes) {
        let sign = if (n >> (bit + 1)).is_multiple_of(2) { 1 } else { -1 };
        let (odd, last) = (n >> bit & 1 == 1, bit == 0);
        let radix = Radix { digits, balanced: !last };
        let products = match (last, odd) {
            (false, _) => Products::Both,
            (true, false) => Products::First,
            (true, true) => Products::Sum,
        };
        convolution.multiply(shape, &f, &l, products);
        let carried = carry(&convolution, shape, radix, odd, &mut f, (!last).then_some(&mut l));
        let f_fits = !odd || radix.add(&mut f, 0, -sign);
        let l_fits = last || radix.add(&mut l, 0, if odd { -sign } else { -2 * sign });
        if carried.overflow || !f_fits || !l_fits {
            return None;
        }
        error = error.max(carried.rounding_error);
    }
    drop(convolution);
    drop(l);
    Some((text::from_short_limbs(&f, digits, threads), error))
}

/// The largest n with limbs of six digits; see [`limb_digits`].
const LAST_OF_SIX: u64 = 3_000_000;

/// Decimal digits of a limb on the way to F(`n`), chosen by the rounding error of the products.
///
/// The balanced limbs of F(n) and L(n) in base B behave like random numbers with mean 0 and
/// variance B²/12, so the product of m limbs by m limbs has coefficients of about B²/12 · √m. A
/// value passes through 3·log₂ m stages of transforms, each of which rounds by up to ε = 2^-53 of
/// the value, in a direction that is as good as random. The standard deviation of a coefficient of
/// F·L is then at most
///
///   σ = ε · B²/12 · √m · √(3·log₂ m).
///
/// It is √2 times as large for L², whose factors have the same error, and √3 times for F·L + L²,
/// the last step to an odd n. The average rounding is smaller than ε, but the roots of unity are
/// rounded, too; together this makes a factor of about 0.8. The largest of 2m errors is near
/// √(2·ln 2m) times their deviation. Crandall and Fagin introduced this model ("Discrete weighted
/// transforms and large-integer arithmetic", Mathematics of Computation 62, 1994). For odd n it
/// gives 1.4·σ·√(2·ln 2m), and the measured errors are:
///
/// | n | B | model | largest of several |
/// |---|---|---|---|
/// | 10^6 | 10^6 | 0.05 | 0.05 |
/// | 3·10^6 | 10^6 | 0.10 | 0.11 |
/// | 10^8 | 10^5 | 0.008 | 0.008 |
/// | 3·10^9 | 10^5 | 0.06 | |
///
/// An error stays unnoticed only if it brings a coefficient within the accepted 0.25 of another
/// integer: it exceeds 0.75, more than six times the largest expected error. The proven bound
/// (Brent, Percival and Zimmermann, "Error bounds on complex floating-point multiplication",
/// Mathematics of Computation 76, 2007) is orders of magnitude larger than any error that occurs,
/// and would allow limbs of only three digits at n = 10^8. So only the speed depends on the model:
/// every step measures its errors, and the digits are checked afterwards.
fn limb_digits(n: u64) -> u32 {
    if n <= LAST_OF_SIX { 6 } else { 5 }
}

/// Limbs of L(`k`), with one more for the carry of a balanced highest limb.
fn limbs_of(k: u64, digits: u32) -> usize {
    (k as f64 * LOG10_PHI) as usize / digits as usize + 2
}
