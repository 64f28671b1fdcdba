//! The engine: the exact decimal digits of F(n), with F(0) = 0 and F(1) = 1 (OEIS A000045).
//!
//! Everything is calculated in decimal from the start, because turning a long binary number into digits takes far
//! longer than finding it. Below [`CROSSOVER`] in integers, `exact`; above by floating-point transforms, `fast`,
//! whose roundings are watched. Each result is checked before it is handed out: its digits, read back modulo a
//! large prime, must agree with F(n) computed modulo that prime by an independent path. A result of the transforms
//! that was rounded too narrowly, or fails its check, is calculated again in integers.
//!
//! Pure: no I/O, no async. How large an n is allowed and how many threads work on it are the caller's decisions.

mod carry;
mod check;
mod exact;
mod fast;
mod text;
mod threads;
mod transform;

use std::num::NonZeroUsize;

pub use check::{MODULUS, fibonacci_mod, residue};

/// The index from which the transforms are the faster way, found by measurement.
pub const CROSSOVER: u64 = 15_000;

/// The largest distance from an integer at which a rounding counts as certain.
///
/// More than twice what is expected of the largest among all coefficients of a calculation; the error is discussed in `fast`.
const CERTAIN: f64 = 0.25;

/// F(n), checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// All decimal digits, without leading zeros.
    pub digits: String,
    /// Whether the exact method had to answer, because the result of the transforms was uncertain or wrong. Expected
    /// never: several are a sign of a machine whose floating-point arithmetic is not what it should be. (Above
    /// n = 3·10^9, where no transform is long enough, always.)
    pub corrected: bool,
}

/// A result that failed its check. It has never been seen; a bit flip in memory would look like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The index whose result was wrong.
    pub n: u64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the digits of F({}) are wrong modulo {MODULUS}", self.n)
    }
}

impl std::error::Error for Mismatch {}

/// All decimal digits of F(`n`), without leading zeros, checked; on the calling thread alone.
///
/// # Errors
/// [`Mismatch`] when the digits fail their check.
pub fn digits(n: u64) -> Result<String, Mismatch> {
    calculate(n, NonZeroUsize::MIN).map(|value| value.digits)
}

/// F(`n`), checked, on at most so many threads, the calling one among them.
///
/// F(n) has about 0.209 n digits. The call takes up to 5 bytes of memory for each (the exact method less), and time
/// a little more than in proportion: 0.1 ms at n = 10^5, a quarter of a second at 10^8 where the processor has AVX.
/// Several threads help from n = 4·10^6 on, and below 2.3·10^6 there is only one. A result that has to be corrected
/// takes thirty to seventy times as long.
///
/// # Errors
/// [`Mismatch`] when the digits fail their check, those of the exact method too.
pub fn calculate(n: u64, threads: NonZeroUsize) -> Result<Value, Mismatch> {
    calculate_within(n, threads, CERTAIN)
}

fn calculate_within(n: u64, threads: NonZeroUsize, certain: f64) -> Result<Value, Mismatch> {
    let expected = Some(fibonacci_mod(n));
    let fast = n >= CROSSOVER;
    // The roundings cannot be trusted on the check's word alone: it sees a wrong digit, not how near one was.
    if fast
        && let Some((digits, distance)) = fast::digits(n, threads)
        && distance <= certain
        && residue(&digits) == expected
    {
        return Ok(Value { digits, corrected: false });
    }
    let digits = exact::digits(n);
    if residue(&digits) == expected { Ok(Value { digits, corrected: fast }) } else { Err(Mismatch { n }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_starts_with_zero_and_one() {
        let first: Vec<String> = (0..=12).map(|n| digits(n).unwrap()).collect();
        assert_eq!(first, ["0", "1", "1", "2", "3", "5", "8", "13", "21", "34", "55", "89", "144"]);
    }

    #[test]
    fn known_values_are_exact() {
        assert_eq!(digits(93).unwrap(), "12200160415121876738");
        assert_eq!(digits(94).unwrap(), "19740274219868223167");
        assert_eq!(digits(100).unwrap(), "354224848179261915075");
        assert_eq!(digits(300).unwrap(), "222232244629420445529739893461909967206666939096499764990979600");
    }

    #[test]
    fn a_result_that_is_not_certain_is_corrected() {
        for n in [CROSSOVER, CROSSOVER + 1, 100_000] {
            let value = calculate_within(n, NonZeroUsize::MIN, 0.0).unwrap();
            assert_eq!(value, Value { digits: digits(n).unwrap(), corrected: true });
        }
        assert!(!calculate_within(CROSSOVER - 1, NonZeroUsize::MIN, 0.0).unwrap().corrected);
    }

    #[test]
    fn both_methods_agree_wherever_both_can_answer() {
        for n in (1_501..7_000).chain((7_000..120_000).step_by(997)) {
            let (fast, distance) = fast::digits(n, NonZeroUsize::MIN).unwrap();
            assert!(distance < CERTAIN, "n = {n}: {distance}");
            assert_eq!(fast, exact::digits(n), "n = {n}");
        }
    }

    #[test]
    fn roundings_are_as_certain_as_the_choice_of_limbs_expects() {
        // The longest numbers with limbs of six digits, and the first with five.
        for n in [2_999_998, 2_999_999, 3_000_000, 3_000_001, 9_999_999] {
            let (_, distance) = fast::digits(n, NonZeroUsize::MIN).unwrap();
            assert!(distance < 0.18, "n = {n}: {distance}");
        }
    }

    #[test]
    fn what_no_transform_is_long_enough_for_is_left_to_the_exact_method() {
        assert!(fast::digits(u64::MAX, NonZeroUsize::MIN).is_none());
    }

    #[test]
    fn a_million_is_right_in_length_and_at_both_ends() {
        let digits = digits(1_000_000).unwrap();
        assert_eq!(digits.len(), 208_988);
        assert!(digits.starts_with("19532821287077577316"));
        assert!(digits.ends_with("68996526838242546875"));
    }
}
