//! The check of a result: the same number by two independent paths, modulo a prime.
//!
//! The digits are read back modulo p, and F(n) mod p is computed by fast doubling on machine words, on the pair
//! (F(k), F(k+1)) where the engine doubles (F(k), L(k)). A wrong result passes with a chance of about 1/p. Not a
//! proof that the digits are right, but nothing that goes wrong in a machine knows p.
//!
//! It takes a few percent of a calculation's time, and never corrects anything.

/// The Mersenne prime 2^61 − 1: large enough for a chance of 4·10^-19, small enough that products fit 128 bits,
/// and its remainders need no division.
pub const MODULUS: u64 = (1 << 61) - 1;

/// F(0) to F(512) modulo [`MODULUS`]: the leading nine bits of an index are looked up.
static FIRST: [u64; 513] = {
    let mut residues = [0; 513];
    residues[1] = 1;
    let mut n = 2;
    while n < residues.len() {
        residues[n] = (residues[n - 1] + residues[n - 2]) % MODULUS;
        n += 1;
    }
    residues
};

/// Digits that are read at once: two machine words of ASCII.
const CHUNK: usize = 16;
/// Chunks whose products are added up before one reduction.
const CHUNKS: usize = 4;
/// 10^16, 10^32, 10^48 and 10^64 modulo [`MODULUS`]: what a chunk is worth by its place.
const WORTH: [u64; CHUNKS] = {
    let ten = 10_u128.pow(16) % MODULUS as u128;
    let mut worth = [ten as u64; CHUNKS];
    let mut place = 1;
    while place < CHUNKS {
        worth[place] = (worth[place - 1] as u128 * ten % MODULUS as u128) as u64;
        place += 1;
    }
    worth
};

/// F(`n`) modulo [`MODULUS`].
#[must_use]
pub fn fibonacci_mod(n: u64) -> u64 {
    let low_bits = (u64::BITS - n.leading_zeros()).saturating_sub(9);
    let leading = (n >> low_bits) as usize;
    if low_bits == 0 {
        return FIRST[leading];
    }
    let (mut a, mut b) = (FIRST[leading], FIRST[leading + 1]);
    for bit in (0..low_bits).rev() {
        // F(2k) = F(k)·(2F(k+1) − F(k)) and F(2k+1) = F(k)² + F(k+1)²; the modulus keeps the difference positive.
        let even = reduce(u128::from(a) * u128::from(2 * b + MODULUS - a));
        let odd = reduce(u128::from(a) * u128::from(a) + u128::from(b) * u128::from(b));
        (a, b) = if n >> bit & 1 == 1 { (odd, reduce(u128::from(even + odd))) } else { (even, odd) };
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
    let mut strange = 0;
    let mut residue = read_words(first_digits(bytes), &mut strange);

    let (chunks, _) = bytes[bytes.len() % CHUNK..].as_chunks::<CHUNK>();
    let (single, grouped) = chunks.split_at(chunks.len() % CHUNKS);
    for chunk in single {
        let sum = u128::from(residue) * u128::from(WORTH[0]) + u128::from(read(chunk, &mut strange));
        residue = reduce(sum);
    }
    for [a, b, c, d] in grouped.as_chunks::<CHUNKS>().0 {
        // Below 2^122 + 3·2^115: the sum fits.
        let sum = u128::from(residue) * u128::from(WORTH[3])
            + u128::from(read(a, &mut strange)) * u128::from(WORTH[2])
            + u128::from(read(b, &mut strange)) * u128::from(WORTH[1])
            + u128::from(read(c, &mut strange)) * u128::from(WORTH[0])
            + u128::from(read(d, &mut strange));
        residue = reduce(sum);
    }
    (strange == 0).then_some(residue)
}

/// `value` modulo [`MODULUS`], for values below 2^124: 2^61 is 1, so the bits above are added to those below.
const fn reduce(value: u128) -> u64 {
    let sum = (value as u64 & MODULUS) + (value >> 61) as u64;
    let sum = (sum & MODULUS) + (sum >> 61);
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

/// The digits that come before whole chunks of them, as the last of 16, each the value of its byte.
///
/// Loaded by words, since most numbers that are asked for are short: a copy of a few bytes takes longer than the
/// rest of the check.
#[inline(always)]
fn first_digits(bytes: &[u8]) -> u128 {
    let missing = 8 * (CHUNK - bytes.len() % CHUNK) as u32;
    let text = if let Some(chunk) = bytes.first_chunk() {
        u128::from_le_bytes(*chunk)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The two overlap by as much as is missing.
        let last = u128::from(u64::from_le_bytes(*last)) << 64 >> missing;
        u128::from(u64::from_le_bytes(*first)) | last
    } else {
        bytes.iter().rev().fold(0, |text, byte| text << 8 | u128::from(*byte))
    };
    (text ^ ZEROS).checked_shl(missing).unwrap_or(0)
}

/// Sixteen times ASCII "0".
const ZEROS: u128 = 0x3030_3030_3030_3030_3030_3030_3030_3030;

/// The value of 16 ASCII digits; `strange` becomes nonzero when there is anything else among them.
#[inline(always)]
fn read(chunk: &[u8; CHUNK], strange: &mut u64) -> u64 {
    read_words(u128::from_le_bytes(*chunk) ^ ZEROS, strange)
}

/// The value of 16 digits, the first in the lowest byte.
#[inline(always)]
fn read_words(digits: u128, strange: &mut u64) -> u64 {
    eight(digits as u64, strange) * 100_000_000 + eight((digits >> 64) as u64, strange)
}

/// The value of eight digits, the first in the lowest byte: neighbours are joined to pairs, pairs to fours.
#[inline(always)]
fn eight(digits: u64, strange: &mut u64) -> u64 {
    // A digit stays below ten: neither it nor it plus six reaches into the upper half of its byte.
    *strange |= (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
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
    fn the_residues_of_f_are_a_fibonacci_sequence_themselves() {
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
    fn digits_of_every_length_have_the_residue_that_one_digit_after_the_other_gives() {
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
