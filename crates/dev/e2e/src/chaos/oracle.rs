//! Checks whether a text is F(n) without the engine: the number of digits by Binet's formula, the
//! number modulo a prime, and its last digits modulo a power of ten.

/// A prime just above 10^18; products of two remainders fit 128 bits.
const PRIME: u128 = 1_000_000_000_000_000_003;

/// For the last 18 digits.
const TAIL_MODULUS: u128 = 1_000_000_000_000_000_000;

/// Whether this is F(`n`), whole or as lists show it; a value that is not there yet is not wrong.
pub(crate) fn is_right(n: u32, text: &str) -> bool {
    if text == contract::PENDING {
        return true;
    }
    let Some((start, rest)) = text.split_once('…') else { return is_whole(n, text) };
    let Some((end, count)) = rest.split_once(" (") else { return false };
    count == format!("{} digits)", digits(n))
        && is_tail(n, end)
        && start.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is F(`n`) with all its digits.
pub(crate) fn is_whole(n: u32, text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let remainder = |sum: u128, byte: u8| (sum * 10 + u128::from(byte - b'0')) % PRIME;
    is_number
        && text.len() == digits(n)
        && text.bytes().fold(0, remainder) == modulo(n, PRIME)
        && is_tail(n, text)
}

fn is_tail(n: u32, text: &str) -> bool {
    let tail = &text[text.len().saturating_sub(18)..];
    let scale = u32::try_from(tail.len()).map_or(TAIL_MODULUS, |digits| 10_u128.pow(digits));
    tail.parse() == Ok(modulo(n, TAIL_MODULUS) % scale)
}

/// How many digits F(`n`) has: n·log10(φ) − log10(√5), exact enough far beyond the largest index.
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
    fn known_values_are_right_and_their_neighbours_are_not() {
        for (n, value) in [(0, "0"), (1, "1"), (2, "1"), (10, "55"), (100, "354224848179261915075")]
        {
            assert!(is_right(n, value), "{n}");
        }
        for (n, value) in [
            (10, "56"),
            (10, ""),
            (10, "055"),
            (100, "354224848179261915076"),
            (11, "55"),
            (100, "a"),
        ] {
            assert!(!is_right(n, value), "{n} {value}");
        }
        let long = "11298343782253997603…86998673686380546875 (2089877 digits)";
        assert!(is_right(10_000_000, long));
        assert!(!is_right(10_000_000, &long.replace("875 ", "876 ")));
        assert!(!is_right(10_000_000, &long.replace("2089877", "2089878")));
        assert!(is_right(7, "Nothing yet!"));
    }
}
