//! The number of digits of F(n) and its first digits, without calculating F(n).
//!
//! F(n) ≈ φⁿ/√5 (Binet), so log₁₀ F(n) ≈ n·log₁₀ φ − log₁₀ √5.

/// log₁₀ φ
pub(crate) const LOG_PHI: f64 = 0.208_987_640_249_978_73;

/// log₁₀ √5
pub(crate) const LOG_SQRT5: f64 = 0.349_485_002_168_009_4;

/// A fraction of 21 bits has an exact product with any 31-bit index: an `f64` has 53 bits.
const EXACT_SCALE: f64 = (1_u32 << 21) as f64;

/// The largest index whose value fits into a `u64`.
const LAST_IN_U64: u32 = 93;

/// Number of digits of F(`index`). If F(`index`) is very close to a power of ten, rounding can make
/// it wrong by one.
pub(crate) fn digit_count(index: u32) -> usize {
    (f64::from(index) * LOG_PHI - LOG_SQRT5).max(0.0) as usize + 1
}

/// The first `count` digits of F(`index`), or all of them if it has fewer. The result is reliable
/// up to 9 digits.
pub(crate) fn first_digits(index: u32, count: usize) -> String {
    if index <= LAST_IN_U64 {
        let (mut value, mut next) = (0_u64, 1_u64);
        for _ in 0..index {
            (value, next) = (next, value.wrapping_add(next));
        }
        let mut digits = value.to_string();
        digits.truncate(count);
        return digits;
    }
    // The product is calculated in two parts. In a single one, the integer part would take bits
    // that the fraction needs.
    let high = (LOG_PHI * EXACT_SCALE).floor() / EXACT_SCALE;
    let index = f64::from(index);
    let fraction = ((index * high).fract() + index * (LOG_PHI - high) - LOG_SQRT5).rem_euclid(1.0);
    let leading = 10_f64.powf(fraction + count as f64 - 1.0);
    format!("{}", leading as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digit_count_is_that_of_the_calculated_value() {
        let counts: Vec<_> = [0, 1, 6, 7, 10, 1_000, 9_570_000, 10_000_000].map(digit_count).into();
        assert_eq!(counts, [1, 1, 1, 2, 2, 209, 2_000_012, 2_089_877]);
    }

    #[test]
    fn the_first_digits_are_those_of_the_calculated_value() {
        assert_eq!(first_digits(0, 8), "0");
        assert_eq!(first_digits(10, 8), "55");
        assert_eq!(first_digits(93, 8), "12200160");
        assert_eq!(first_digits(94, 8), "19740274");
        assert_eq!(first_digits(1_000, 8), "43466557");
        assert_eq!(first_digits(10_000_000, 8), "11298343");
    }
}
