//! From the coefficients of a convolution to limbs: rounding, halving in odd steps, carry
//! propagation.
//!
//! A carry depends on the one before it, so independent chains run side by side: the lower and the
//! upper half of a number (the real and the imaginary parts), both numbers, and the rows of each
//! thread. The carry out of each chain is added to the limbs above it afterwards.

use crate::convolution::{Coefficient, Convolution, Shape};
use crate::threads;

/// The base of a number's limbs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radix {
    /// Decimal digits of a limb.
    pub(crate) digits: u32,
    /// Whether limbs are balanced about 0, which keeps rounding errors small; otherwise they count
    /// from 0, as the number is written.
    pub(crate) balanced: bool,
}

/// What carrying found about the coefficients.
pub(crate) struct Carried {
    /// The largest distance of any coefficient from an integer.
    pub(crate) rounding_error: f64,
    /// Whether a carry or a fraction left the number at either end. When the number is longer than
    /// half of the transform, only an error can cause it.
    pub(crate) overflow: bool,
}

/// Values at the same position of the lower and the upper half of a number.
type Halves = [f64; 2];

/// What a chain leaves to its neighbours.
struct ChainEnd {
    /// Carries out of f and l.
    carries: [Halves; 2],
    /// The half, if any, that the limb below the chain gains, in units of its first limb.
    fraction: Halves,
    rounding_error: f64,
}

/// Adding this to a number below 2^51 and subtracting it again rounds to the nearest integer,
/// because the sum has no bits left for a fraction.
const ROUND: f64 = 1.5 * (1_u64 << 52) as f64;

fn round(value: f64) -> f64 {
    (value + ROUND) - ROUND
}

impl Radix {
    fn base(self) -> i64 {
        10_i64.pow(self.digits)
    }

    /// Adds `value` to the limb at `index` and propagates the carry; false when it leaves the
    /// number.
    pub(crate) fn add(self, limbs: &mut [i32], index: usize, value: i64) -> bool {
        let offset = if self.balanced { self.base() / 2 } else { 0 };
        let mut carry = value;
        for limb in &mut limbs[index..] {
            if carry == 0 {
                break;
            }
            let sum = carry.saturating_add(i64::from(*limb));
            carry = sum.saturating_add(offset).div_euclid(self.base());
            // Within the base, which is below 2^31.
            *limb = sum.wrapping_sub(carry.wrapping_mul(self.base())) as i32;
        }
        carry == 0
    }
}

/// Converts the products in `convolution` to limbs, 2 · [`Shape::area`] of each number.
///
/// With `l`, the numbers are f and l or, if `odd`, (f + l) / 2 and (5f + l) / 2. Without it, only
/// the first product is there, and the number is f or, if `odd`, f / 2.
pub(crate) fn carry(
    convolution: &Convolution,
    shape: &Shape,
    radix: Radix,
    odd: bool,
    f: &mut [i32],
    l: Option<&mut Vec<i32>>,
) -> Carried {
    let area = shape.area();
    let height = threads::part_len(shape.rows(), convolution.threads(shape), 1);
    let len = height * shape.columns();
    let both = l.is_some();
    let f = &mut f[..2 * area];
    let l = l.map_or(&mut [][..], |l| &mut l[..2 * area]);

    let ends = {
        let (f_low, f_high) = f.split_at_mut(area);
        let (l_low, l_high) = l.split_at_mut(l.len() / 2);
        let mut l_parts = l_low.chunks_mut(len).zip(l_high.chunks_mut(len));
        let f_parts = f_low.chunks_mut(len).zip(f_high.chunks_mut(len));
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
                let first = half * area + part * len;
                let above = half * area + area.min((part + 1) * len);
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

/// Carries through some rows. With `HALVE`, a limb also depends on the coefficient above it, whose
/// half it gains when that is odd.
fn carry_chain<'a, const BOTH: bool, const HALVE: bool>(
    rows: impl Iterator<Item = (&'a [Coefficient], &'a [Coefficient])>,
    radix: Radix,
    [f_low, f_high]: [&mut [i32]; 2],
    [l_low, l_high]: [&mut [i32]; 2],
) -> ChainEnd {
    let base = radix.base() as f64;
    let carrier = Carrier {
        base,
        inverse: 1.0 / base,
        middle: if radix.balanced { 0.0 } else { (base - 1.0) / 2.0 },
    };
    let (mut f_carry, mut l_carry) = ([0.0; 2], [0.0; 2]);
    let (mut held, mut twice, mut first) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    let mut error = [0.0; 2];
    let mut at = 0_usize;
    let mut store = |at: usize, f: Halves, l: Halves| {
        [f_low[at], f_high[at]] = carrier.limbs(f, &mut f_carry);
        if BOTH {
            [l_low[at], l_high[at]] = carrier.limbs(l, &mut l_carry);
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
                    first = fraction;
                } else {
                    let next = [held[0] + fraction[0] * base, held[1] + fraction[1] * base];
                    store(at - 1, next, [next[0] + twice[0], next[1] + twice[1]]);
                }
                (held, twice) = (whole, [2.0 * f[0], 2.0 * f[1]]);
            } else {
                store(at, f, l);
            }
            at += 1;
        }
    }
    if HALVE {
        store(at - 1, held, [held[0] + twice[0], held[1] + twice[1]]);
    }
    ChainEnd {
        carries: [f_carry, l_carry],
        fraction: first,
        rounding_error: error[0].max(error[1]),
    }
}

/// The constants of a carry step.
struct Carrier {
    base: f64,
    inverse: f64,
    /// The middle of the range of a limb.
    middle: f64,
}

impl Carrier {
    /// The limbs of two coefficients, each plus its chain's carry, which is replaced by the next
    /// one.
    #[inline(always)]
    fn limbs(&self, values: Halves, carry: &mut Halves) -> [i32; 2] {
        let mut limbs = [0; 2];
        for half in 0..2 {
            let sum = values[half] + carry[half];
            // Computed apart from the carry, so that the chain is shorter.
            let quotient = (values[half] - self.middle) * self.inverse;
            carry[half] = round(carry[half] * self.inverse + quotient);
            // The lowest bits of the sum hold the limb in two's complement.
            limbs[half] = (sum - carry[half] * self.base + ROUND).to_bits() as i32;
        }
        limbs
    }
}

/// A coefficient rounded to integers; `error` keeps the largest distance from one.
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
    fn rounding_is_exact_and_ties_go_to_even() {
        for (value, expected) in
            [(0.0, 0.0), (0.49, 0.0), (0.51, 1.0), (-2.5, -2.0), (1e15 + 0.25, 1e15)]
        {
            assert_eq!(round(value), expected);
        }
    }
}
