//! The engine: the exact decimal digits of F(n), with F(0) = 0 and F(1) = 1 (OEIS A000045).
//!
//! Fast doubling on big integers, then conversion to decimal. Each result is checked before it is handed
//! out: its digits, read back modulo a large prime, must agree with F(n) computed modulo that prime by an
//! independent path. The check sees an error in the calculation as well as one in the conversion.
//!
//! Pure: no I/O, no threads, no async. How large an n is allowed is the caller's decision.

mod check;
mod doubling;

pub use check::{MODULUS, fibonacci_mod, residue};

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

/// All decimal digits of F(`n`), without leading zeros, checked.
///
/// F(n) has about 0.209 n digits; the call takes memory in proportion and, at n = 10^7, about a second.
///
/// # Errors
/// [`Mismatch`] when the digits fail their check.
pub fn digits(n: u64) -> Result<String, Mismatch> {
    let digits = doubling::fibonacci(n).to_string();
    if residue(&digits) == Some(fibonacci_mod(n)) { Ok(digits) } else { Err(Mismatch { n }) }
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
    fn every_n_up_to_2000_is_the_sum_of_the_two_before_it() {
        let (mut a, mut b) = (dashu_int::UBig::ZERO, dashu_int::UBig::ONE);
        for n in 0..=2000 {
            assert_eq!(digits(n).unwrap(), a.to_string(), "n = {n}");
            (a, b) = (b.clone(), a + b);
        }
    }

    #[test]
    fn a_million_is_right_in_length_and_at_both_ends() {
        let digits = digits(1_000_000).unwrap();
        assert_eq!(digits.len(), 208_988);
        assert!(digits.starts_with("19532821287077577316"));
        assert!(digits.ends_with("68996526838242546875"));
    }
}
