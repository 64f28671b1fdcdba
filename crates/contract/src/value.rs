//! How lists show a value: a short one whole, a longer one abbreviated to its first digits, last
//! digits and digit count.
//!
//! A list of a thousand whole values of two million digits each would be two gigabytes; `GET
//! /values/{index}` returns the whole number. Queue, server and page all use these rules.

use std::borrow::Cow;

/// What a list shows for a value that is not calculated yet, as in the original.
pub const PENDING: &str = "Nothing yet!";

/// Values of at most this many digits are whole in lists (F(2000) has 418).
pub const WHOLE_DIGITS: usize = 500;

/// The last index whose value has at most [`WHOLE_DIGITS`] digits.
pub const LAST_WHOLE_INDEX: u32 = 2_394;

/// The number of first digits, and of last digits, in an abbreviated value.
pub const END_DIGITS: usize = 20;

/// The lowest limit at which values may be abbreviated. Below it, the first and the last digits
/// would overlap.
pub const LEAST_DIGITS: usize = 2 * END_DIGITS;

/// The number of indices, and of values, that the page requests first. The server reads these
/// values, with those above [`PAGE_WHOLE_DIGITS`] abbreviated, once for all requests that wait for
/// them.
pub const FIRST_INDICES: usize = 50;

/// The page shows values of at most this many digits whole.
pub const PAGE_WHOLE_DIGITS: usize = 60;

/// What lists show for the value `digits`, which must be ASCII: the same text, or
/// `first…last (N digits)` if there are more than [`WHOLE_DIGITS`].
#[must_use]
pub fn abbreviate(digits: &str) -> Cow<'_, str> {
    abbreviate_above(WHOLE_DIGITS, digits)
}

/// Abbreviates the entry `shown` of a list further: a whole value of more than `max_digits`, which
/// must be at least [`LEAST_DIGITS`]. Any other entry is returned unchanged.
#[must_use]
pub fn shorten(shown: &str, max_digits: usize) -> Cow<'_, str> {
    if is_whole(shown) { abbreviate_above(max_digits, shown) } else { Cow::Borrowed(shown) }
}

fn abbreviate_above(max_digits: usize, digits: &str) -> Cow<'_, str> {
    let length = digits.len();
    match (digits.get(..END_DIGITS), digits.get(length.saturating_sub(END_DIGITS)..)) {
        (Some(first), Some(last)) if length > max_digits => {
            Cow::Owned(format!("{first}…{last} ({length} digits)"))
        }
        _ => Cow::Borrowed(digits),
    }
}

/// The digit count of the value that lists show as `shown`. Returns `None` for [`PENDING`] and for
/// any other text that is not a value.
#[must_use]
pub fn digit_count(shown: &str) -> Option<usize> {
    if is_whole(shown) {
        return Some(shown.len());
    }
    let (ends, count) = shown.strip_suffix(" digits)")?.split_once(" (")?;
    let (first, last) = ends.split_once('…')?;
    (is_whole(first) && is_whole(last)).then(|| count.parse().ok())?
}

/// Whether `shown` is a whole value: ASCII digits and nothing else.
#[must_use]
pub fn is_whole(shown: &str) -> bool {
    !shown.is_empty() && shown.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_is_shown_whole() {
        assert_eq!(abbreviate("55"), "55");
        assert_eq!(abbreviate(&"7".repeat(WHOLE_DIGITS)), "7".repeat(WHOLE_DIGITS));
        assert!(is_whole("55"));
    }

    #[test]
    fn a_list_entry_can_be_shortened_further() {
        let digits = format!("{}{}", "1".repeat(20), "9".repeat(21));
        assert_eq!(shorten(&digits, 41), digits);
        let shown = "11111111111111111111…99999999999999999999 (41 digits)";
        assert_eq!(shorten(&digits, LEAST_DIGITS), shown);
        for other in [shown, PENDING, "55"] {
            assert_eq!(shorten(other, LEAST_DIGITS), other);
        }
    }

    #[test]
    fn a_long_value_is_abbreviated_and_its_digit_count_can_be_read() {
        let long = format!("{}{}{}", "1".repeat(20), "5".repeat(1000), "9".repeat(20));
        let shown = abbreviate(&long);
        assert_eq!(shown, "11111111111111111111…99999999999999999999 (1040 digits)");
        assert!(!is_whole(&shown));
        assert_eq!(digit_count(&shown), Some(1040));
        assert_eq!(digit_count("55"), Some(2));
        for other in
            [PENDING, "", "-1", "1.5e+3", "(55 digits)", "garbage (55 digits)", "1…x (55 digits)"]
        {
            assert_eq!(digit_count(other), None, "{other}");
        }
        assert!(!is_whole(PENDING));
    }
}
