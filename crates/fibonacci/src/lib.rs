//! Exact decimal digits of F(n), with F(0) = 0 and F(1) = 1 (OEIS A000045).
//!
//! All arithmetic is decimal, because converting a long binary number to decimal takes longer than
//! computing it. `exact` doubles in integers below [`CROSSOVER`], and `fast` doubles by FFT from
//! there on. Each result is checked modulo a prime (`check`), and one of `fast` that fails, or has
//! a large rounding error, is computed again by `exact`.

mod carry;
mod check;
mod convolution;
mod exact;
mod fast;
mod text;
mod threads;

use std::num::NonZeroUsize;

use check::{MODULUS, fibonacci_mod, residue};

/// The index from which convolution by FFT is faster than integers, found by measurement.
pub const CROSSOVER: u64 = 15_000;

/// The largest accepted rounding error: more than twice the largest expected one, see `fast`.
const MAX_ROUNDING_ERROR: f64 = 0.25;

/// F(n), checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// All decimal digits, without leading zeros.
    pub digits: String,
    /// Whether the exact method had to replace an FFT result that was uncertain or wrong. That is
    /// never expected, and several are a sign of faulty floating-point hardware. Above n = 3·10^9,
    /// where no transform is long enough, it is always set.
    pub corrected: bool,
}

/// A result that failed its check; a bit flip in memory could cause it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub n: u64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the digits of F({}) are wrong modulo {MODULUS}", self.n)
    }
}

impl std::error::Error for Mismatch {}

/// All decimal digits of F(`n`), checked, on the calling thread alone; see [`calculate`].
pub fn digits(n: u64) -> Result<String, Mismatch> {
    calculate(n, NonZeroUsize::MIN).map(|value| value.digits)
}

/// F(`n`), checked, on at most `threads` threads, including the calling one.
///
/// F(n) has about 0.209 n digits. A call takes up to 5 bytes of memory a digit, and its time grows
/// slightly faster than n: 0.1 ms at n = 10^5, 0.25 s at 10^8 on a processor with AVX. Several
/// threads help from n = 4·10^6 on, and below 2.3·10^6 only one is used. A corrected result takes
/// thirty to seventy times as long. [`Mismatch`] means that the digits of the exact method failed
/// their check, too.
pub fn calculate(n: u64, threads: NonZeroUsize) -> Result<Value, Mismatch> {
    calculate_within(n, threads, MAX_ROUNDING_ERROR)
}

fn calculate_within(n: u64, threads: NonZeroUsize, max_error: f64) -> Result<Value, Mismatch> {
    let expected = Some(fibonacci_mod(n));
    let by_fft = n >= CROSSOVER;
    // The check alone is not enough: it finds a wrong digit, not one that was nearly wrong.
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

/// The start of fast doubling: how many low bits of `n` are left to double for, and F(k) and L(k)
/// for the leading six bits k. L(k) = 2F(k+1) − F(k) (Knuth, The Art of Computer Programming,
/// 1.2.8).
fn seed(n: u64) -> (u32, i64, i64) {
    let bits = (u64::BITS - n.leading_zeros()).saturating_sub(6);
    let (mut f, mut next) = (0, 1);
    for _ in 0..n >> bits {
        (f, next) = (next, f + next);
    }
    (bits, f, 2 * next - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uncertain_result_is_corrected() {
        for n in [CROSSOVER, CROSSOVER + 1, 100_000] {
            let value = calculate_within(n, NonZeroUsize::MIN, 0.0).unwrap();
            assert_eq!(value, Value { digits: digits(n).unwrap(), corrected: true });
        }
        assert!(!calculate_within(CROSSOVER - 1, NonZeroUsize::MIN, 0.0).unwrap().corrected);
    }

    #[test]
    fn both_methods_agree_wherever_both_apply() {
        for n in (256..7_000).chain((7_000..120_000).step_by(997)) {
            let (fast, rounding_error) = fast::digits(n, NonZeroUsize::MIN).unwrap();
            assert!(rounding_error < MAX_ROUNDING_ERROR, "n = {n}: {rounding_error}");
            assert_eq!(fast, exact::digits(n), "n = {n}");
        }
    }

    #[test]
    fn rounding_errors_are_as_small_as_the_limb_size_assumes() {
        // The longest numbers with limbs of six digits, and the first with five.
        for n in [2_999_998, 2_999_999, 3_000_000, 3_000_001, 9_999_999] {
            let (_, rounding_error) = fast::digits(n, NonZeroUsize::MIN).unwrap();
            assert!(rounding_error < 0.18, "n = {n}: {rounding_error}");
        }
    }

    #[test]
    fn an_index_that_needs_too_long_a_transform_is_left_to_the_exact_method() {
        assert!(fast::digits(u64::MAX, NonZeroUsize::MIN).is_none());
    }
}
