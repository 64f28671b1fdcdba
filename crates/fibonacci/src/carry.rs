//! Turns the coefficients of a convolution into limbs: rounds them, halves them in odd steps, and
//! propagates carries.
//!
//! A carry depends on the one before it, so several independent chains of carries run interleaved:
//! the lower and the upper half of a number (the real and the imaginary parts), for both numbers,
//! and one set of chains for the rows of each thread. The carry out of each chain is added to the
//! limbs above it at the end.

use crate::convolution::{Coefficient, Convolution, Shape};
use crate::threads;

/// The base of a number's limbs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radix {
    /// The number of decimal digits in a limb.
    pub(crate) digits: u32,
    /// Whether a limb is between −base/2 and base/2, which keeps rounding errors small. Otherwise
    /// it is between 0 and base − 1, as in decimal notation.
    pub(crate) balanced: bool,
}

/// The errors found while carrying.
pub(crate) struct Carried {
    /// The largest distance of any coefficient from an integer.
    pub(crate) rounding_error: f64,
    /// Whether a carry or a fraction left the number at either end. If the number reaches well into
    /// the upper half of its limbs, only a wrong coefficient can cause this.
    pub(crate) overflow: bool,
}

/// The values at the same position in the lower and in the upper half of a number.
type Halves = [f64; 2];

/// The contributions of a chain of carries to the limbs next to it.
struct ChainEnd {
    /// The carries out of f and l, for the limb above the chain.
    carries: [Halves; 2],
    /// 0 or ±½, in units of the chain's first limb, for the limb below the chain.
    fraction: Halves,
    rounding_error: f64,
}

/// Adding this to a value below 2^51 in magnitude and subtracting it again rounds to the nearest
/// integer: the sum is between 2^52 and 2^53, where an `f64` has no bits for a fraction.
const ROUNDING_OFFSET: f64 = 1.5 * (1_u64 << 52) as f64;

fn round(value: f64) -> f64 {
    (value + ROUNDING_OFFSET) - ROUNDING_OFFSET
}

impl Radix {
    fn base(self) -> i64 {
        10_i64.pow(self.digits)
    }

    /// Adds `value` to the limb at `index` and propagates the carry. Returns false if the carry
    /// leaves the number.
    pub(crate) fn add(self, limbs: &mut [i32], index: usize, value: i64) -> bool {
        let offset = if self.balanced { self.base() / 2 } else { 0 };
        let mut carry = value;
        for limb in &mut limbs[index..] {
            if carry == 0 {
                break;
            }
            let sum = carry.saturating_add(i64::from(*limb));
            carry = sum.saturating_add(offset).div_euclid(self.base());
            // The difference is a limb, and the base is below 2^31.
            *limb = sum.wrapping_sub(carry.wrapping_mul(self.base())) as i32;
        }
        carry == 0
    }
}

/// Converts the products in `convolution` to limbs: 2 · [`Shape::transform_len`] for each number.
///
/// With `l`, the numbers are f and l or, if `odd`, (f + l) / 2 and (5f + l) / 2. Without `l`, there
/// is only the first product, and the number is f or, if `odd`, f / 2.
pub(crate) fn carry(
    convolution: &Convolution,
    shape: &Shape,
    radix: Radix,
    odd: bool,
    f: &mut [i32],
    l: Option<&mut Vec<i32>>,
) -> Carried {
    let half_len = shape.transform_len();
    let height = threads::part_len(shape.rows(), convolution.threads(shape), 1);
    let part_len = height * shape.columns();
    let both = l.is_some();
    let f = &mut f[..2 * half_len];
    let l = l.map_or(&mut [][..], |l| &mut l[..2 * half_len]);

    let ends = {
        let (f_low, f_high) = f.split_at_mut(half_len);
        let (l_low, l_high) = l.split_at_mut(l.len() / 2);
        let mut l_parts = l_low.chunks_mut(part_len).zip(l_high.chunks_mut(part_len));
        let f_parts = f_low.chunks_mut(part_len).zip(f_high.chunks_mut(part_len));
        let parts = f_parts.enumerate().map(|(part, (f_low, f_high))| {
            let (l_low, l_high) = l_parts.next().unwrap_or_default();
            (part * height, [f_low, f_high], [l_low, l_high])
        });
        let parts: Vec<_> = parts.collect();
        threads::map(parts, |(row, f, l)| {
            let rows = convolution.rows(shape).skip(row).take(height);
            match (both, odd) {
                (true, false) => carry_chain::<true, false>(rows, radix, f, l),
                (true, true) => carry_chain::<true, true>(rows, radix, f, l),
                (false, false) => carry_chain::<false, false>(rows, radix, f, l),
                (false, true) => carry_chain::<false, true>(rows, radix, f, l),
            }
        })
    };

    let mut fits = true;
    for (number, limbs) in [f, l].into_iter().enumerate().filter(|(_, limbs)| !limbs.is_empty()) {
        for half in 0..2 {
            for (part, end) in ends.iter().enumerate() {
                let first = half * half_len + part * part_len;
                let above = half * half_len + half_len.min((part + 1) * part_len);
                fits &= radix.add(limbs, above, end.carries[number][half] as i64);
                let fraction = (end.fraction[half] * radix.base() as f64) as i64;
                fits &= match first.checked_sub(1) {
                    Some(below) => radix.add(limbs, below, fraction),
                    None => fraction == 0,
                };
            }
        }
    }
    let rounding_error = ends.iter().map(|end| end.rounding_error).fold(0.0, f64::max);
    Carried { rounding_error, overflow: !fits }
}

/// Propagates carries through some rows. With `HALVE`, each limb is stored one step late: if the
/// coefficient above it is odd, the limb gains half a base from it.
fn carry_chain<'a, const BOTH: bool, const HALVE: bool>(
    rows: impl Iterator<Item = (&'a [Coefficient], &'a [Coefficient])>,
    radix: Radix,
    [f_low, f_high]: [&mut [i32]; 2],
    [l_low, l_high]: [&mut [i32]; 2],
) -> ChainEnd {
    let base = radix.base() as f64;
    let step = CarryStep {
        base,
        inverse: 1.0 / base,
        middle: if radix.balanced { 0.0 } else { (base - 1.0) / 2.0 },
    };
    let (mut f_carry, mut l_carry) = ([0.0; 2], [0.0; 2]);
    // Of the limb that is not stored yet: the halved f + l without its fraction, and 2f.
    let (mut halved, mut twice_f) = ([0.0; 2], [0.0; 2]);
    let mut first_fraction = [0.0; 2];
    let mut error = [0.0; 2];
    let mut at = 0_usize;
    let mut store = |at: usize, f: Halves, l: Halves| {
        [f_low[at], f_high[at]] = step.limbs(f, &mut f_carry);
        if BOTH {
            [l_low[at], l_high[at]] = step.limbs(l, &mut l_carry);
        }
    };
    for (f_row, l_row) in rows {
        for (f, l) in f_row.iter().zip(l_row) {
            let f = rounded(f, &mut error);
            let l = if BOTH { rounded(l, &mut error) } else { [0.0; 2] };
            if HALVE {
                let half = [(f[0] + l[0]) * 0.5, (f[1] + l[1]) * 0.5];
                let whole = half.map(round);
                let fraction = [half[0] - whole[0], half[1] - whole[1]];
                if at == 0 {
                    first_fraction = fraction;
                } else {
                    let below = [halved[0] + fraction[0] * base, halved[1] + fraction[1] * base];
                    store(at - 1, below, [below[0] + twice_f[0], below[1] + twice_f[1]]);
                }
                (halved, twice_f) = (whole, [2.0 * f[0], 2.0 * f[1]]);
            } else {
                store(at, f, l);
            }
            at += 1;
        }
    }
    if HALVE {
        store(at - 1, halved, [halved[0] + twice_f[0], halved[1] + twice_f[1]]);
    }
    ChainEnd {
        carries: [f_carry, l_carry],
        fraction: first_fraction,
        rounding_error: error[0].max(error[1]),
    }
}

/// The constants of a carry step.
struct CarryStep {
    base: f64,
    inverse: f64,
    /// The middle of the range of a limb's values.
    middle: f64,
}

impl CarryStep {
    /// The limbs of two coefficients, each plus the `carry` of its chain. Replaces `carry` with the
    /// carry into the next limb.
    #[inline(always)]
    fn limbs(&self, values: Halves, carry: &mut Halves) -> [i32; 2] {
        let mut limbs = [0; 2];
        for half in 0..2 {
            let sum = values[half] + carry[half];
            // Without the carry, so that fewer operations wait for it.
            let quotient = (values[half] - self.middle) * self.inverse;
            carry[half] = round(carry[half] * self.inverse + quotient);
            // The lowest bits of the mantissa are the limb in two's complement.
            limbs[half] = (sum - carry[half] * self.base + ROUNDING_OFFSET).to_bits() as i32;
        }
        limbs
    }
}

/// Rounds both parts of a coefficient. Raises `error` to the distances that rounding has moved
/// them.
#[inline(always)]
fn rounded(value: &Coefficient, error: &mut Halves) -> Halves {
    let parts = [value.re, value.im];
    let whole = parts.map(round);
    for half in 0..2 {
        let distance = (parts[half] - whole[half]).abs();
        error[half] = if distance > error[half] { distance } else { error[half] };
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carry_propagates_through_limbs_that_count_from_zero() {
        let radix = Radix { digits: 4, balanced: false };
        let mut limbs = [9_999, 9_999, 9_999, 0];
        assert!(radix.add(&mut limbs, 0, 1));
        assert_eq!(limbs, [0, 0, 0, 1]);
        assert!(radix.add(&mut limbs, 1, -1));
        assert_eq!(limbs, [0, 9_999, 9_999, 0]);
        assert!(!radix.add(&mut limbs, 2, 100_000_000));
    }

    #[test]
    fn a_carry_propagates_through_balanced_limbs() {
        let radix = Radix { digits: 4, balanced: true };
        let mut limbs = [4_999, -4_000, 0, 0];
        assert!(radix.add(&mut limbs, 0, 2));
        assert_eq!(limbs, [-4_999, -3_999, 0, 0]);
        assert!(radix.add(&mut limbs, 1, -123_456_789));
        assert_eq!(limbs, [-4_999, -788, -2_346, -1]);
    }

    #[test]
    fn values_are_rounded_to_the_nearest_integer_and_ties_to_even() {
        for (value, expected) in
            [(0.0, 0.0), (0.49, 0.0), (0.51, 1.0), (-2.5, -2.0), (1e15 + 0.25, 1e15)]
        {
            assert_eq!(round(value), expected);
        }
    }
}
