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

/// F(0) to F(128) modulo [`MODULUS`]: the leading seven bits of an index are looked up.
const FIRST: [u64; 129] = {
    let mut residues = [0; 129];
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
    let low_bits = (u64::BITS - n.leading_zeros()).saturating_sub(7);
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
    let (first, rest) = bytes.split_at(bytes.len() % CHUNK);
    let mut padded = [b'0'; CHUNK];
    padded[CHUNK - first.len()..].copy_from_slice(first);
    let mut strange = 0;
    let mut residue = read(&padded, &mut strange);

    let (chunks, _) = rest.as_chunks::<CHUNK>();
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

/// The value of 16 ASCII digits; `strange` becomes nonzero when there is anything else among them.
#[inline(always)]
fn read(chunk: &[u8; CHUNK], strange: &mut u64) -> u64 {
    let (words, _) = chunk.as_chunks::<8>();
    words.iter().fold(0, |value, word| value * 100_000_000 + eight(u64::from_le_bytes(*word), strange))
}

/// The value of eight ASCII digits, the first in the lowest byte: neighbours are joined to pairs, pairs to fours.
#[inline(always)]
fn eight(word: u64, strange: &mut u64) -> u64 {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let digits = word ^ ZEROS;
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
