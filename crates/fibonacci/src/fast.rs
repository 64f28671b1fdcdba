//! Fast doubling by FFT, on limbs of five or six decimal digits that are balanced about 0.
//!
//! `convolution` multiplies, and `carry` turns the coefficients into limbs again. The caller
//! decides whether the reported rounding error is acceptable.

use std::num::NonZeroUsize;

use crate::carry::{Radix, carry};
use crate::convolution::{Convolution, Products, Shape};
use crate::{Seed, text};

/// log10 φ, with φ = (1 + √5) / 2: the number of decimal digits that F(n) gains when n grows by 1.
const LOG10_PHI: f64 = 0.208_987_640_249_978_73;

/// The decimal digits of F(`n`), and the rounding error: the largest distance of any coefficient of
/// any product from an integer.
///
/// Returns `None` if no transform is long enough, or if a wrong coefficient made a carry leave the
/// number. Below n = 256 it also returns `None` if nothing has to be doubled, or if the number
/// hardly reaches the upper half of the shortest product.
///
/// Each step goes from k to m = 2k, and to m + 1 if the next bit of n is set. With the Lucas
/// numbers L, the formulas are
///
///   F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k,
///   F(m+1) = (F(m) + L(m)) / 2, L(m+1) = (5F(m) + L(m)) / 2
///
/// (Édouard Lucas, "Théorie des fonctions numériques simplement périodiques", American Journal of
/// Mathematics 1, 1878, for the sequences U = F and V = L with P = 1 and Q = −1). The last step
/// computes F alone.
pub(crate) fn digits(n: u64, threads: NonZeroUsize) -> Option<(String, f64)> {
    let digits = limb_digits(n);
    let seed = Seed::new(n);
    let bits = seed.remaining_bits;
    let product_len = |bit: u32| 2 * limbs_of(n >> (bit + 1), digits);
    let shapes: Vec<Shape> =
        (0..bits).rev().map(|bit| Shape::for_product(product_len(bit))).collect::<Option<_>>()?;
    let mut convolution = Convolution::new(&shapes, threads.get());

    // The limbs above the number are zero as far as the next transform reads them.
    let (last, others) = shapes.split_last()?;
    let mut f = vec![0; 2 * last.transform_len()];
    let product_lens = others.iter().map(|shape| 2 * shape.transform_len());
    let mut l = vec![0; product_lens.fold(last.transform_len(), usize::max)];
    let balanced = Radix { digits, balanced: true };
    balanced.add(&mut f, 0, seed.f);
    balanced.add(&mut l, 0, seed.l);

    let mut rounding_error = 0.0_f64;
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
        rounding_error = rounding_error.max(carried.rounding_error);
    }
    drop(convolution);
    drop(l);
    Some((text::from_short_limbs(&f, digits, threads), rounding_error))
}

/// The largest n that is computed with limbs of six digits; see [`limb_digits`].
const MAX_N_FOR_SIX_DIGIT_LIMBS: u64 = 3_000_000;

/// The number of decimal digits in a limb for F(`n`), chosen by the rounding error of the products.
///
/// The balanced limbs of F and L in base B behave like random numbers with mean 0 and variance
/// B²/12. The coefficients of a product of m limbs by m limbs are therefore about B²/12 · √m. A
/// value passes through 3·log₂ m stages of two forward transforms and an inverse one. Each stage
/// rounds by at most ε = 2^-53 of the value, in a direction that we take as random. The standard
/// deviation of the error in a coefficient of F·L is then at most
///
///   σ = ε · B²/12 · √m · √(3·log₂ m).
///
/// The deviation is √2·σ for L², because both factors carry the same error, and √3·σ for F·L + L²,
/// the last step to an odd n. A typical stage rounds by less than ε, but the roots of unity are
/// rounded as well; together, these effects make a factor of about 0.8. The largest of 2m errors is
/// near √(2·ln 2m) deviations. For odd n the model thus expects a largest error of
/// 1.4·σ·√(2·ln 2m). It follows the heuristic analysis of Crandall and Fagin, "Discrete weighted
/// transforms and large-integer arithmetic", Mathematics of Computation 62, 1994.
///
/// | n | B | model | largest measured |
/// |---|---|---|---|
/// | 10^6 | 10^6 | 0.05 | 0.05 |
/// | 3·10^6 | 10^6 | 0.10 | 0.11 |
/// | 10^8 | 10^5 | 0.008 | 0.008 |
/// | 3·10^9 | 10^5 | 0.06 | |
///
/// The measured distance from an integer hides an error only if the error exceeds 0.75, so that the
/// coefficient is within the accepted 0.25 of a wrong integer. That is more than six times the
/// largest expected error. Correct digits do not depend on the model: each step measures its
/// distances, and the digits are checked at the end. The proven bound (Brent, Percival and
/// Zimmermann, "Error bounds on complex floating-point multiplication", Mathematics of Computation
/// 76, 2007) is orders of magnitude above the measured errors and would allow limbs of only three
/// digits at n = 10^8.
fn limb_digits(n: u64) -> u32 {
    if n <= MAX_N_FOR_SIX_DIGIT_LIMBS { 6 } else { 5 }
}

/// The number of limbs of L(`k`), plus one for the carry out of a balanced highest limb.
fn limbs_of(k: u64, digits: u32) -> usize {
    (k as f64 * LOG10_PHI) as usize / digits as usize + 2
}
