//! Limbs of decimal digits to text.
//!
//! No formatting machinery: divisions by constants, several digits in one word. It does not know what the number
//! means, and checks nothing.

use std::num::NonZeroUsize;

use crate::threads::{each, part_len};

/// "00" to "99".
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// Pairs of limbs that keep a thread busy for several times as long as it takes to start it.
const WORTH_A_THREAD: usize = 1 << 16;

/// The text of a number in base 10^18, the lowest limb first.
pub(crate) fn from_limbs(limbs: &[u64]) -> String {
    let Some(highest) = limbs.iter().rposition(|limb| *limb != 0) else { return "0".to_owned() };
    let digits = 1 + limbs[highest].ilog10() as usize;
    let mut text = Vec::with_capacity(digits + 18 * highest);
    text.extend_from_slice(&eighteen(limbs[highest])[18 - digits..]);
    for limb in limbs[..highest].iter().rev() {
        text.extend_from_slice(&eighteen(*limb));
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The limbs of a decimal number, each of so many digits, the lowest first.
pub(crate) fn to_limbs(text: &str, digits: u32) -> impl Iterator<Item = i32> {
    let value = |chunk: &[u8]| chunk.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    text.as_bytes().rchunks(digits as usize).map(value)
}

/// The text of a number in limbs of `digits` decimal digits, four to six, the lowest first.
pub(crate) fn from_short_limbs(limbs: &[i32], digits: u32, threads: NonZeroUsize) -> String {
    let (base, digits) = (10_u64.pow(digits), digits as usize);
    let used = limbs.iter().rposition(|limb| *limb != 0).map_or(1, |last| last + 1);
    let limbs = &limbs[..used];
    let highest = limbs[used - 1];
    let highest_digits = highest.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut text = vec![0; (used - 1) * digits + highest_digits];
    let pairs = part_len(used.div_ceil(2), threads.get(), WORTH_A_THREAD);
    let parts = limbs.chunks(2 * pairs).zip(text.rchunks_mut(2 * digits * pairs));
    each(parts, |(limbs, text)| {
        for (pair, out) in limbs.chunks(2).zip(text.rchunks_mut(2 * digits)) {
            let high = pair.get(1).map_or(0, |high| *high as u32);
            let value = u64::from(high) * base + u64::from(pair[0] as u32);
            let mut written = [b'0'; 12];
            written[4..].copy_from_slice(&eight((value % 100_000_000) as u32));
            let rest = (value / 100_000_000) as usize;
            written[2..4].copy_from_slice(&PAIRS[rest % 100]);
            // Limbs that are none, after an error in the transforms, end in digits that the check refuses.
            written[..2].copy_from_slice(&PAIRS[rest / 100 % 100]);
            out.copy_from_slice(&written[12 - out.len()..]);
        }
    });
    String::from_utf8(text).unwrap_or_default()
}

/// The 18 digits of a limb.
#[inline(always)]
fn eighteen(limb: u64) -> [u8; 18] {
    let (high, low) = (limb / 100_000_000, (limb % 100_000_000) as u32);
    let (top, middle) = ((high / 100_000_000) as usize, (high % 100_000_000) as u32);
    let mut digits = [0; 18];
    digits[..2].copy_from_slice(&PAIRS[top]);
    digits[2..10].copy_from_slice(&eight(middle));
    digits[10..].copy_from_slice(&eight(low));
    digits
}

/// The eight digits of a value below 10^8: split into fours, those into pairs, those into digits, all in one word.
#[inline(always)]
pub(crate) fn eight(value: u32) -> [u8; 8] {
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    // 10486 / 2^20 and 103 / 2^10 are 1/100 and 1/10, near enough for values below 10^4 and 100.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | ((pairs - tens * 10) << 8);
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_written_as_the_standard_library_writes_them() {
        for value in (0..100_000_000).step_by(997).chain(99_990_000..100_000_000) {
            assert_eq!(eight(value), *format!("{value:08}").as_bytes(), "{value}");
        }
    }

    #[test]
    fn long_limbs_keep_their_zeros_and_lose_those_in_front() {
        assert_eq!(from_limbs(&[]), "0");
        assert_eq!(from_limbs(&[0, 0]), "0");
        assert_eq!(from_limbs(&[7, 0]), "7");
        assert_eq!(from_limbs(&[1, 10]), "10000000000000000001");
        assert_eq!(from_limbs(&[999_999_999_999_999_999; 2]), "9".repeat(36));
    }

    #[test]
    fn limbs_that_are_none_become_something_and_not_a_panic() {
        for limbs in [&[-1, i32::MIN, i32::MAX][..], &[i32::MAX, -1], &[5, -5, 0]] {
            for digits in 4..=6 {
                from_short_limbs(limbs, digits, NonZeroUsize::MIN);
            }
        }
    }

    #[test]
    fn short_limbs_of_every_size_and_number_come_back_as_they_were() {
        for digits in 4..=6 {
            for count in (1..40).chain([2 * WORTH_A_THREAD as i32 + 3]) {
                let limbs: Vec<i32> =
                    (1..=count).map(|limb| limb % 99_991 * 7_919 % 10_i32.pow(digits)).collect();
                for threads in 1..4 {
                    let threads = NonZeroUsize::new(threads).unwrap();
                    let text = from_short_limbs(&[&limbs[..], &[0, 0]].concat(), digits, threads);
                    assert!(!text.starts_with('0'), "{text}");
                    assert_eq!(to_limbs(&text, digits).collect::<Vec<_>>(), limbs);
                }
            }
        }
    }
}
