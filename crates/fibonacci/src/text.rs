//! Conversion of limbs to decimal text, eight digits at a time. Below `CROSSOVER`, formatting each
//! limb with `write!` would take as long as the arithmetic.

use std::num::NonZeroUsize;

use crate::threads;

/// The minimum for each thread: converting this many pairs of limbs takes several times as long as
/// starting a thread.
const MIN_PAIRS_PER_THREAD: usize = 1 << 16;

/// The decimal digits of a number in base 10^18, lowest limb first.
pub(crate) fn from_limbs(limbs: &[u64]) -> String {
    let Some(highest) = limbs.iter().rposition(|limb| *limb != 0) else { return "0".to_owned() };
    let mut text = Vec::with_capacity(18 * (highest + 1));
    let zeros = 17 - limbs[highest].ilog10() as usize;
    text.extend_from_slice(&format_18(limbs[highest])[zeros..]);
    for limb in limbs[..highest].iter().rev() {
        text.extend_from_slice(&format_18(*limb));
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The decimal digits of a number in limbs of `digits` decimal digits, four to six, lowest limb
/// first.
///
/// Limbs outside the base, which a failed transform can leave, give wrong digits and no panic.
pub(crate) fn from_short_limbs(limbs: &[i32], digits: u32, threads: NonZeroUsize) -> String {
    let (base, digits) = (10_u64.pow(digits), digits as usize);
    let used = limbs.iter().rposition(|limb| *limb != 0).map_or(1, |last| last + 1);
    let limbs = &limbs[..used];
    let highest_digits = limbs[used - 1].checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut text = vec![0; (used - 1) * digits + highest_digits];
    let pairs = threads::part_len(used.div_ceil(2), threads.get(), MIN_PAIRS_PER_THREAD);
    let parts = limbs.chunks(2 * pairs).zip(text.rchunks_mut(2 * digits * pairs));
    threads::map(parts, |(limbs, mut text)| {
        for pair in limbs.chunks(2) {
            let high = pair.get(1).map_or(0, |high| *high as u32);
            let written = format_16(u64::from(high) * base + u64::from(pair[0] as u32));
            // The next pair overwrites the leading zeros.
            let len = text.len();
            match text.last_chunk_mut() {
                Some(chunk) => *chunk = written,
                None => text.copy_from_slice(&written[16 - len..]),
            }
            text = &mut text[..len.saturating_sub(2 * digits)];
        }
    });
    String::from_utf8(text).unwrap_or_default()
}

/// The 18 digits of a limb.
#[inline(always)]
fn format_18(limb: u64) -> [u8; 18] {
    const LOW: u64 = 10_u64.pow(16);
    let high = (limb / LOW) as u8;
    let mut digits = [b'0'; 18];
    (digits[0], digits[1]) = (b'0' + high / 10, b'0' + high % 10);
    digits[2..].copy_from_slice(&format_16(limb % LOW));
    digits
}

/// The 16 digits of a value below 10^16.
#[inline(always)]
fn format_16(value: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&format_8((value / 100_000_000) as u32));
    digits[8..].copy_from_slice(&format_8((value % 100_000_000) as u32));
    digits
}

/// The eight digits of a value below 10^8, which is split into groups of four digits, pairs and
/// digits within one word (Paul Khuong, "How to print integers really fast", pvk.ca, 2017).
#[inline(always)]
fn format_8(value: u32) -> [u8; 8] {
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    // 10486 / 2^20 and 103 / 2^10 are so close to 1/100 and 1/10 that the quotients are exact for
    // values below 10^4 and 100.
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
    fn eight_digits_equal_those_of_the_standard_library() {
        for value in (0..100_000_000).step_by(997).chain(99_990_000..100_000_000) {
            assert_eq!(format_8(value), *format!("{value:08}").as_bytes(), "{value}");
        }
    }

    #[test]
    fn inner_zeros_are_kept_and_leading_zeros_are_dropped() {
        assert_eq!(from_limbs(&[]), "0");
        assert_eq!(from_limbs(&[0, 0]), "0");
        assert_eq!(from_limbs(&[7, 0]), "7");
        assert_eq!(from_limbs(&[1, 10]), "10000000000000000001");
        assert_eq!(from_limbs(&[999_999_999_999_999_999; 2]), "9".repeat(36));
    }

    #[test]
    fn limbs_outside_the_base_do_not_panic() {
        for limbs in [&[-1, i32::MIN, i32::MAX][..], &[i32::MAX, -1], &[5, -5, 0]] {
            for digits in 4..=6 {
                from_short_limbs(limbs, digits, NonZeroUsize::MIN);
            }
        }
    }

    #[test]
    fn short_limbs_of_every_size_and_count_round_trip() {
        for digits in 4..=6 {
            for count in (1..40).chain([2 * MIN_PAIRS_PER_THREAD as i32 + 3]) {
                let limbs: Vec<i32> =
                    (1..=count).map(|limb| limb % 99_991 * 7_919 % 10_i32.pow(digits)).collect();
                for threads in 1..4 {
                    let threads = NonZeroUsize::new(threads).unwrap();
                    let text = from_short_limbs(&[&limbs[..], &[0, 0]].concat(), digits, threads);
                    assert!(!text.starts_with('0'), "{text}");
                    let chunks = text.as_bytes().rchunks(digits as usize);
                    let parsed =
                        chunks.map(|chunk| str::from_utf8(chunk).unwrap().parse::<i32>().unwrap());
                    assert!(parsed.eq(limbs.iter().copied()), "{text}");
                }
            }
        }
    }
}
