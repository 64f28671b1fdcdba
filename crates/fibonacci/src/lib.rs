//! Exact decimal digits of F(n), with F(0) = 0 and F(1) = 1 (OEIS A000045).
//!
//! All arithmetic is decimal, because converting a long binary number to decimal takes longer than
//! computing it. Both methods are fast doubling: `exact` multiplies integers and serves every n
//! below [`CROSSOVER`]; `fast` multiplies by FFT and serves the rest. `check` compares each result
//! with F(n) modulo a prime. A result of `fast` that fails the check or has a large rounding error
//! is computed again by `exact`.

#![warn(missing_docs)]

mod carry;
mod check;
mod convolution;
mod exact;
mod fast;
mod text;
mod threads;

use std::num::NonZeroUsize;

use check::{MODULUS, fibonacci_mod, residue};

/// The smallest n for which `fast` is used. Found by measurement: below it, `exact` is faster.
pub const CROSSOVER: u64 = 15_000;

/// The largest accepted distance of a coefficient from an integer. It is more than twice the
/// largest expected distance, which `fast` derives.
const MAX_ROUNDING_ERROR: f64 = 0.25;

/// F(n), after the check of its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// All decimal digits, without leading zeros.
    pub digits: String,
    /// Whether `exact` replaced an FFT result that was uncertain or wrong. No input is expected to
    /// cause this below n = 3.2·10^9, so repeated corrections point to faulty hardware. Above that
    /// n no transform is long enough, and every result comes from `exact` and is marked as
    /// corrected.
    pub corrected: bool,
}

/// The digits from the exact method failed the check. A bit flip in memory could cause this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The index n of the requested F(n).
    pub n: u64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the digits of F({}) are wrong modulo {MODULUS}", self.n)
    }
}

impl std::error::Error for Mismatch {}

/// All decimal digits of F(`n`), like [`calculate`] on the calling thread alone.
pub fn digits(n: u64) -> Result<String, Mismatch> {
    calculate(n, NonZeroUsize::MIN).map(|value| value.digits)
}

/// Computes F(`n`) and checks its digits, on at most `threads` threads including the calling one.
///
/// F(n) has about 0.209·n digits. A large n needs up to 5 bytes of memory per digit. The time grows
/// slightly faster than n: with one thread, about 0.1 ms at n = 10^5 and 0.4 s at 10^8
/// (BENCHMARKS.md). Below n = 2.3·10^6 only one thread is used; a second one saves time from
/// n = 4·10^6 on. A corrected result takes thirty to seventy times as long.
pub fn calculate(n: u64, threads: NonZeroUsize) -> Result<Value, Mismatch> {
    calculate_within(n, threads, MAX_ROUNDING_ERROR)
}

fn calculate_within(n: u64, threads: NonZeroUsize, max_error: f64) -> Result<Value, Mismatch> {
    let expected = Some(fibonacci_mod(n));
    let by_fft = n >= CROSSOVER;
    // The residue detects a wrong result. The rounding error also rejects a result that is right
    // only by luck.
    if by_fft
        && let Some((digits, rounding_error)) = fast::digits(n, threads)
        && rounding_error <= max_error
        && residue(&digits) == expected
    {
        return Ok(Value { digits, corrected: false });
    }
    let digits = exact::digits(n);
    if residue(&digits) == expected {
        Ok(Value { digits, corrected: by_fft })
    } else {
        Err(Mismatch { n })
    }
}

/// The start of fast doubling towards F(n): F(k) and L(k), where k is the leading six bits of n.
struct Seed {
    /// The number of bits of n below k. Each of them is one doubling.
    remaining_bits: u32,
    f: i64,
    l: i64,
}

impl Seed {
    fn new(n: u64) -> Self {
        let remaining_bits = (u64::BITS - n.leading_zeros()).saturating_sub(6);
        let (mut f, mut next) = (0, 1);
        for _ in 0..n >> remaining_bits {
            (f, next) = (next, f + next);
        }
        // L(k) = F(k+1) + F(k−1) = 2F(k+1) − F(k).
        Self { remaining_bits, f, l: 2 * next - f }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_with_a_large_rounding_error_is_corrected() {
        for n in [CROSSOVER, CROSSOVER + 1, 100_000] {
            let value = calculate_within(n, NonZeroUsize::MIN, 0.0).unwrap();
            assert_eq!(value, Value { digits: digits(n).unwrap(), corrected: true });
        }
        assert!(!calculate_within(CROSSOVER - 1, NonZeroUsize::MIN, 0.0).unwrap().corrected);
    }

    #[test]
    fn both_methods_give_the_same_digits() {
        for n in (256..7_000).chain((7_000..120_000).step_by(997)) {
            let (fast, rounding_error) = fast::digits(n, NonZeroUsize::MIN).unwrap();
            assert!(rounding_error < MAX_ROUNDING_ERROR, "n = {n}: {rounding_error}");
            assert_eq!(fast, exact::digits(n), "n = {n}");
        }
    }

    #[test]
    fn rounding_errors_at_the_change_of_limb_size_are_below_0_18() {
        // The longest numbers with limbs of six digits, and numbers with limbs of five.
        for n in [2_999_998, 2_999_999, 3_000_000, 3_000_001, 9_999_999] {
            let (_, rounding_error) = fast::digits(n, NonZeroUsize::MIN).unwrap();
            assert!(rounding_error < 0.18, "n = {n}: {rounding_error}");
        }
    }

    #[test]
    fn fast_declines_an_n_that_needs_too_long_a_transform() {
        assert!(fast::digits(u64::MAX, NonZeroUsize::MIN).is_none());
    }
}
