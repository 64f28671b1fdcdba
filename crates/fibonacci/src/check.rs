//! The check of a result: its digits modulo a prime p must equal F(n) modulo p.
//!
//! F(n) modulo p is computed in machine words, and independently: by fast doubling on the pair
//! (F(k), F(k+1)), while the engine doubles (F(k), L(k)). A wrong result passes the check with a
//! probability of about 1/p.

/// The Mersenne prime p = 2^61 − 1. Products of residues fit in 128 bits, and reducing them needs
/// no division.
pub(crate) const MODULUS: u64 = (1 << 61) - 1;

/// The number of digits that are parsed at once: two machine words of ASCII.
const CHUNK_DIGITS: usize = 16;
/// The number of digits between two reductions.
const GROUP_DIGITS: usize = 4 * CHUNK_DIGITS;
/// The place values of the chunks in a group, modulo [`MODULUS`].
const CHUNK_WEIGHTS: [u64; GROUP_DIGITS / CHUNK_DIGITS] =
    [power_of_ten(48), power_of_ten(32), power_of_ten(16), 1];
/// The place value of the digits in front of a group, modulo [`MODULUS`].
const GROUP_WEIGHT: u64 = power_of_ten(64);

/// 10^`exponent` modulo [`MODULUS`].
const fn power_of_ten(exponent: u32) -> u64 {
    if exponent == 0 {
        1
    } else {
        (power_of_ten(exponent - 1) as u128 * 10 % MODULUS as u128) as u64
    }
}

/// F(`n`) modulo [`MODULUS`].
pub(crate) fn fibonacci_mod(n: u64) -> u64 {
    let (mut a, mut b) = (0, 1);
    for bit in (0..u64::BITS - n.leading_zeros()).rev() {
        // F(2k) = F(k)·(2F(k+1) − F(k)) and F(2k+1) = F(k)² + F(k+1)². Both follow from
        // F(m+n) = F(m)·F(n+1) + F(m−1)·F(n) (Knuth, The Art of Computer Programming, 1.2.8).
        // Adding the modulus keeps the difference positive.
        let even = reduce(u128::from(a) * u128::from(2 * b + MODULUS - a));
        let odd = reduce(u128::from(a) * u128::from(a) + u128::from(b) * u128::from(b));
        (a, b) =
            if n >> bit & 1 == 1 { (odd, reduce(u128::from(even + odd))) } else { (even, odd) };
    }
    a
}

/// The number with these decimal digits, modulo [`MODULUS`]. Returns `None` if `digits` is empty,
/// has a leading zero, or contains anything but ASCII digits.
pub(crate) fn residue(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    if bytes.is_empty() || (bytes.len() > 1 && bytes[0] == b'0') {
        return None;
    }
    let (head, groups) = bytes.split_at(bytes.len() % GROUP_DIGITS);
    let mut first = [b'0'; GROUP_DIGITS];
    first[GROUP_DIGITS - head.len()..].copy_from_slice(head);
    let (mut residue, mut invalid) = (0, 0);
    for group in std::iter::once(&first).chain(groups.as_chunks().0) {
        // The sum stays below 2^122 + 4·2^115, because a chunk is below 2^54.
        let mut sum = u128::from(residue) * u128::from(GROUP_WEIGHT);
        for (chunk, weight) in group.as_chunks::<CHUNK_DIGITS>().0.iter().zip(CHUNK_WEIGHTS) {
            sum += u128::from(parse_16(chunk, &mut invalid)) * u128::from(weight);
        }
        residue = reduce(sum);
    }
    (invalid == 0).then_some(residue)
}

/// `value` modulo [`MODULUS`], for values below 2^124. Since 2^61 is 1 modulo 2^61 − 1, the bits
/// from 2^61 up are added to those below.
fn reduce(value: u128) -> u64 {
    let sum = (value as u64 & MODULUS) + (value >> 61) as u64;
    let sum = (sum & MODULUS) + (sum >> 61);
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

/// The value of 16 ASCII digits. Sets bits of `invalid` if any byte is not a digit.
#[inline(always)]
fn parse_16(chunk: &[u8; CHUNK_DIGITS], invalid: &mut u64) -> u64 {
    let digits = u128::from_le_bytes(*chunk);
    parse_8(digits as u64, invalid) * 100_000_000 + parse_8((digits >> 64) as u64, invalid)
}

/// The value of eight ASCII digits, the first in the lowest byte. Neighbouring digits are combined
/// into pairs, and pairs into groups of four (Daniel Lemire, "Number parsing at a gigabyte per
/// second", Software: Practice and Experience 51, 2021).
#[inline(always)]
fn parse_8(text: u64, invalid: &mut u64) -> u64 {
    let digits = text ^ 0x3030_3030_3030_3030;
    // Only for values below ten do both the value and the value + 6 fit in four bits.
    *invalid |= (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_digits_have_the_same_residue() {
        let (mut a, mut b) = (0_u64, 1_u64);
        for n in 0..90 {
            assert_eq!(fibonacci_mod(n), a % MODULUS, "n = {n}");
            assert_eq!(residue(&a.to_string()), Some(a % MODULUS), "n = {n}");
            (a, b) = (b, a + b);
        }
    }

    #[test]
    fn residues_form_a_fibonacci_sequence() {
        let (mut a, mut b) = (0, 1);
        for n in 0..5_000 {
            assert_eq!(fibonacci_mod(n), a, "n = {n}");
            (a, b) = (b, (a + b) % MODULUS);
        }
        for n in [1 << 20, u64::MAX / 3, u64::MAX - 2] {
            let next = (fibonacci_mod(n) + fibonacci_mod(n + 1)) % MODULUS;
            assert_eq!(fibonacci_mod(n + 2), next, "n = {n}");
        }
    }

    #[test]
    fn digits_of_every_length_have_the_right_residue() {
        let mut digits = String::new();
        let mut expected = 0;
        for length in 1..=300_u64 {
            let digit = (length * 7 + length / 9) % 9 + 1;
            digits.push(char::from(b'0' + digit as u8));
            expected = reduce(u128::from(expected) * 10 + u128::from(digit));
            assert_eq!(residue(&digits), Some(expected), "{digits}");
        }
        assert_eq!(residue(&MODULUS.to_string()), Some(0));
        assert_eq!(residue(&"9".repeat(10_000)), residue(&format!("{}9", "9".repeat(9_999))));
    }

    #[test]
    fn a_single_wrong_digit_changes_the_residue() {
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
    fn text_that_is_not_a_decimal_number_has_no_residue() {
        for text in ["", "007", "-1", "12a", "1.5", " 1"] {
            assert_eq!(residue(text), None, "{text:?}");
        }
        let digits = "1".repeat(200);
        for strange in ["/", ":", "a", " ", "\0", "\u{7f}", "p"] {
            for position in 0..digits.len() {
                let mut text = digits.clone();
                text.replace_range(position..=position, strange);
                assert_eq!(residue(&text), None, "{strange:?} at {position}");
            }
        }
    }
}
