//! Checks values of F(n) independently of the engine: the number of digits by Binet's formula, the
//! whole number modulo a prime, and the last digits modulo a power of ten.

/// A prime just above 10^18; products of two remainders fit 128 bits.
const PRIME: u128 = 1_000_000_000_000_000_003;

/// Digits at the end of a number that are compared.
const TAIL_DIGITS: usize = 18;
/// 10 to the power of [`TAIL_DIGITS`].
const TAIL_MODULUS: u128 = 1_000_000_000_000_000_000;

/// Whether the text is F(`n`), whole or as lists show it. A pending value is correct, too.
pub(crate) fn is_correct(n: u32, text: &str) -> bool {
    if text == contract::PENDING {
        return true;
    }
    let Some((start, rest)) = text.split_once('…') else {
        return is_whole_and_correct(n, text);
    };
    let Some((end, count)) = rest.split_once(" (") else { return false };
    count == format!("{} digits)", digits(n))
        && is_tail(n, end)
        && start.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text is F(`n`) with all its digits.
pub(crate) fn is_whole_and_correct(n: u32, text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let remainder = |sum: u128, byte: u8| (sum * 10 + u128::from(byte - b'0')) % PRIME;
    is_number
        && text.len() == digits(n)
        && text.bytes().fold(0, remainder) == modulo(n, PRIME)
        && is_tail(n, text)
}

fn is_tail(n: u32, text: &str) -> bool {
    let tail = &text[text.len().saturating_sub(TAIL_DIGITS)..];
    let scale = u32::try_from(tail.len()).map_or(TAIL_MODULUS, |digits| 10_u128.pow(digits));
    tail.parse() == Ok(modulo(n, TAIL_MODULUS) % scale)
}

/// The number of digits of F(`n`): ⌊n·log10(φ) − log10(√5)⌋ + 1. An `f64` is exact enough far
/// beyond the largest index.
fn digits(n: u32) -> usize {
    if n < 2 {
        return 1;
    }
    let golden = f64::midpoint(1.0, 5.0_f64.sqrt());
    (f64::from(n) * golden.log10() - 5.0_f64.sqrt().log10()).floor() as usize + 1
}

/// F(`n`) modulo `m`, by the powers of the matrix ((1, 1), (1, 0)).
fn modulo(n: u32, m: u128) -> u128 {
    let product = |x: [u128; 3], y: [u128; 3]| {
        [
            (x[0] * y[0] + x[1] * y[1]) % m,
            (x[0] * y[1] + x[1] * y[2]) % m,
            (x[1] * y[1] + x[2] * y[2]) % m,
        ]
    };
    let (mut result, mut power, mut n) = ([1, 0, 1], [1, 1, 0], n);
    while n > 0 {
        if n & 1 == 1 {
            result = product(result, power);
        }
        power = product(power, power);
        n >>= 1;
    }
    result[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_correct_and_similar_ones_are_not() {
        let hundredth = "354224848179261915075";
        for (n, value) in [(0, "0"), (1, "1"), (2, "1"), (10, "55"), (100, hundredth)] {
            assert!(is_correct(n, value), "{n}");
        }
        for (n, value) in [
            (10, "56"),
            (10, ""),
            (10, "055"),
            (100, "354224848179261915076"),
            (11, "55"),
            (100, "a"),
        ] {
            assert!(!is_correct(n, value), "{n} {value}");
        }
        let long = "11298343782253997603…86998673686380546875 (2089877 digits)";
        assert!(is_correct(10_000_000, long));
        assert!(!is_correct(10_000_000, &long.replace("875 ", "876 ")));
        assert!(!is_correct(10_000_000, &long.replace("2089877", "2089878")));
        assert!(is_correct(7, "Nothing yet!"));
    }
}
