//! From the coefficients of products back to limbs: rounded, combined, carried.
//!
//! A carry waits for the one before it, so several run side by side: those of the lower and the upper half of a
//! number (the real and the imaginary parts), of both numbers, and of each thread's part. What is left over where
//! one run ends and the next begins is added afterwards. How far any coefficient was from an integer is measured
//! here, and judged elsewhere.

use crate::threads::{each, part_len};
use crate::transform::{Coefficient, Shape, Workspace};

/// Limbs of a number of decimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    /// Digits of a limb.
    pub(crate) digits: u32,
    /// Limbs from 0 up, as they are written; otherwise they are balanced about 0, which keeps errors small.
    pub(crate) written: bool,
}

/// What becomes of the coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// f and l.
    Both,
    /// (f + l) / 2 and (5f + l) / 2.
    BothOfNext,
    /// f.
    First,
    /// f / 2.
    HalfOfFirst,
}

/// How the coefficients were.
pub(crate) struct Rounding {
    /// The largest distance of any from an integer.
    pub(crate) distance: f64,
    /// Whether anything was left over at either end of a number, which nothing but an error explains.
    pub(crate) leftover: bool,
}

/// Lower and upper half of a number, at the same place of each.
type Halves = [f64; 2];

/// What a run leaves over.
struct Ends {
    /// Carries out of f and l.
    carries: [Halves; 2],
    /// Half a unit or none, for the limb before the first.
    fraction: Halves,
    distance: f64,
}

/// Adding it and taking it away again rounds a number below 2^51: no bit of a fraction has room beside it.
const ROUND: f64 = 1.5 * (1_u64 << 52) as f64;

fn round(value: f64) -> f64 {
    (value + ROUND) - ROUND
}

impl Base {
    fn value(self) -> i64 {
        10_i64.pow(self.digits)
    }

    /// Adds `value` to the limb at `index` and carries; whether nothing was left over.
    pub(crate) fn add(self, limbs: &mut [i32], index: usize, value: i64) -> bool {
        let below = if self.written { 0 } else { self.value() / 2 };
        let mut carry = value;
        for limb in &mut limbs[index..] {
            if carry == 0 {
                break;
            }
            let sum = carry.saturating_add(i64::from(*limb));
            carry = sum.saturating_add(below).div_euclid(self.value());
            // Within the base, which is below 2^31.
            *limb = sum.wrapping_sub(carry.wrapping_mul(self.value())) as i32;
        }
        carry == 0
    }
}

/// Carries the coefficients in `workspace` into the limbs of `f` and `l`, two for each of the shape's area.
pub(crate) fn carry(
    workspace: &Workspace,
    shape: &Shape,
    base: Base,
    wanted: Wanted,
    f: &mut [i32],
    l: &mut [i32],
) -> Rounding {
    let (area, columns) = (shape.area(), shape.columns());
    let height = part_len(shape.rows(), workspace.threads(shape), 1);
    let len = height * columns;
    let f = &mut f[..2 * area];
    let l = if matches!(wanted, Wanted::Both | Wanted::BothOfNext) { &mut l[..2 * area] } else { &mut [] };

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
        each(parts, |(row, f, l)| {
            let rows = workspace.rows(shape).skip(row).take(height);
            match wanted {
                Wanted::Both => run::<true, false>(rows, base, f, l),
                Wanted::BothOfNext => run::<true, true>(rows, base, f, l),
                Wanted::First => run::<false, false>(rows, base, f, l),
                Wanted::HalfOfFirst => run::<false, true>(rows, base, f, l),
            }
        })
    };

    let mut complete = true;
    for (number, limbs) in [f, l].into_iter().enumerate().filter(|(_, limbs)| !limbs.is_empty()) {
        for half in 0..2 {
            for (part, ends) in ends.iter().enumerate() {
                let first = half * area + part * len;
                let end = half * area + area.min((part + 1) * len);
                complete &= base.add(limbs, end, ends.carries[number][half] as i64);
                let fraction = (ends.fraction[half] * base.value() as f64) as i64;
                complete &= match first.checked_sub(1) {
                    Some(before) => base.add(limbs, before, fraction),
                    None => fraction == 0,
                };
            }
        }
    }
    let distance = ends.iter().map(|ends| ends.distance).fold(0.0, f64::max);
    Rounding { distance, leftover: !complete }
}

/// One run over some rows. With `HALVE` a limb is known after the coefficient above it, whose odd half it gets.
fn run<'a, const BOTH: bool, const HALVE: bool>(
    rows: impl Iterator<Item = (&'a [Coefficient], &'a [Coefficient])>,
    base: Base,
    f_limbs: [&mut [i32]; 2],
    l_limbs: [&mut [i32]; 2],
) -> Ends {
    let value = base.value() as f64;
    let settle = Settle {
        base: value,
        inverse: 1.0 / value,
        middle: if base.written { (value - 1.0) / 2.0 } else { 0.0 },
    };
    let [f_low, f_high] = f_limbs;
    let [l_low, l_high] = l_limbs;
    let (mut f_carry, mut l_carry) = ([0.0; 2], [0.0; 2]);
    let (mut held, mut twice, mut first) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    let mut distance = [0.0; 2];
    let mut at = 0_usize;
    let mut put = |at: usize, f: Halves, l: Halves| {
        let [low, high] = settle.limbs(f, &mut f_carry);
        (f_low[at], f_high[at]) = (low, high);
        if BOTH {
            let [low, high] = settle.limbs(l, &mut l_carry);
            (l_low[at], l_high[at]) = (low, high);
        }
    };
    for (f_row, l_row) in rows {
        for (f, l) in f_row.iter().zip(l_row) {
            let f = rounded(f, &mut distance);
            let l = if BOTH { rounded(l, &mut distance) } else { [0.0; 2] };
            if HALVE {
                let half = [(f[0] + l[0]) * 0.5, (f[1] + l[1]) * 0.5];
                let whole = half.map(round);
                let fraction = [half[0] - whole[0], half[1] - whole[1]];
                if at == 0 {
                    first = fraction;
                } else {
                    let next = [held[0] + fraction[0] * value, held[1] + fraction[1] * value];
                    put(at - 1, next, [next[0] + twice[0], next[1] + twice[1]]);
                }
                (held, twice) = (whole, [2.0 * f[0], 2.0 * f[1]]);
            } else {
                put(at, f, l);
            }
            at += 1;
        }
    }
    if HALVE {
        put(at - 1, held, [held[0] + twice[0], held[1] + twice[1]]);
    }
    Ends { carries: [f_carry, l_carry], fraction: first, distance: distance[0].max(distance[1]) }
}

struct Settle {
    base: f64,
    inverse: f64,
    middle: f64,
}

impl Settle {
    #[inline(always)]
    fn limbs(&self, values: Halves, carry: &mut Halves) -> [i32; 2] {
        let mut limbs = [0; 2];
        for half in 0..2 {
            let sum = values[half] + carry[half];
            // What does not wait for the carry is calculated apart.
            let quotient = (values[half] - self.middle) * self.inverse;
            carry[half] = round(carry[half] * self.inverse + quotient);
            // The limb is in the lowest bits, as a two's complement.
            limbs[half] = (sum - carry[half] * self.base + ROUND).to_bits() as i32;
        }
        limbs
    }
}

#[inline(always)]
fn rounded(value: &Coefficient, distance: &mut Halves) -> Halves {
    let parts = [value.re, value.im];
    let whole = parts.map(round);
    for half in 0..2 {
        let off = (parts[half] - whole[half]).abs();
        distance[half] = if off > distance[half] { off } else { distance[half] };
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_carried_as_far_as_it_goes() {
        let written = Base { digits: 4, written: true };
        let mut limbs = [9_999, 9_999, 9_999, 0];
        assert!(written.add(&mut limbs, 0, 1));
        assert_eq!(limbs, [0, 0, 0, 1]);
        assert!(written.add(&mut limbs, 1, -1));
        assert_eq!(limbs, [0, 9_999, 9_999, 0]);
        assert!(!written.add(&mut limbs, 2, 100_000_000));

        let balanced = Base { digits: 4, written: false };
        let mut limbs = [4_999, -4_000, 0, 0];
        assert!(balanced.add(&mut limbs, 0, 2));
        assert_eq!(limbs, [-4_999, -3_999, 0, 0]);
        assert!(balanced.add(&mut limbs, 1, -123_456_789));
        assert_eq!(limbs, [-4_999, -788, -2_346, -1]);
    }

    #[test]
    fn rounding_is_exact_and_halves_go_to_the_even_neighbour() {
        for (value, expected) in [(0.0, 0.0), (0.49, 0.0), (0.51, 1.0), (-2.5, -2.0), (1e15 + 0.25, 1e15)] {
            assert_eq!(round(value), expected);
        }
    }
}
