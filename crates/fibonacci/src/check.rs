//! The check of a result: the same number by two independent paths, modulo a prime.
//!
//! The digits are read back modulo p, and F(n) mod p is computed by fast doubling on machine words. A wrong
//! result passes with a chance of about 1/p. Not a proof that the digits are right, but nothing that goes
//! wrong in a machine knows p.

/// The Mersenne prime 2^61 − 1: large enough for a chance of 4·10^-19, small enough that products fit 128 bits.
pub const MODULUS: u64 = (1 << 61) - 1;

/// 10^18, the largest power of ten whose remainder keeps the products below 2^128.
const CHUNK: usize = 18;

/// F(`n`) modulo [`MODULUS`].
#[must_use]
pub fn fibonacci_mod(n: u64) -> u64 {
    let (mut a, mut b) = (0, 1);
    for bit in (0..u64::BITS - n.leading_zeros()).rev() {
        // Adding the modulus keeps the difference positive.
        let even = product(a, (2 * b + MODULUS - a) % MODULUS);
        let odd = (product(a, a) + product(b, b)) % MODULUS;
        (a, b) = if n >> bit & 1 == 1 { (odd, (even + odd) % MODULUS) } else { (even, odd) };
    }
    a
}

/// The number with these decimal digits modulo [`MODULUS`]; `None` when `digits` is empty, has a leading zero,
/// or anything but ASCII digits.
#[must_use]
pub fn residue(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    if bytes.is_empty() || (bytes.len() > 1 && bytes.first() == Some(&b'0')) {
        return None;
    }
    bytes.chunks(CHUNK).try_fold(0, |residue, chunk| {
        let (mut value, mut scale) = (0, 1);
        for byte in chunk {
            value = value * 10 + u64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
            scale *= 10;
        }
        Some((product(residue, scale % MODULUS) + value % MODULUS) % MODULUS)
    })
}

fn product(a: u64, b: u64) -> u64 {
    // The remainder is below 2^61, so the conversion cannot lose anything.
    (u128::from(a) * u128::from(b) % u128::from(MODULUS)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_agree_on_small_numbers() {
        let (mut a, mut b) = (0_u64, 1_u64);
        for n in 0..90 {
            assert_eq!(fibonacci_mod(n), a % MODULUS, "n = {n}");
            assert_eq!(residue(&a.to_string()), Some(a % MODULUS), "n = {n}");
            (a, b) = (b, a + b);
        }
    }

    #[test]
    fn one_wrong_digit_is_seen_wherever_it_is() {
        let digits = crate::digits(5_000).unwrap();
        let expected = Some(fibonacci_mod(5_000));
        assert_eq!(residue(&digits), expected);
        for position in (0..digits.len()).step_by(37) {
            let mut wrong = digits.clone().into_bytes();
            wrong[position] = if wrong[position] == b'9' { b'8' } else { wrong[position] + 1 };
            assert_ne!(residue(str::from_utf8(&wrong).unwrap()), expected, "position {position}");
        }
    }

    #[test]
    fn what_is_not_a_decimal_number_has_no_residue() {
        for text in ["", "007", "-1", "12a", "1.5", " 1"] {
            assert_eq!(residue(text), None, "{text:?}");
        }
    }
}
