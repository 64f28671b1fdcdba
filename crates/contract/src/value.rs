//! How lists show a value: a short one whole, a longer one abbreviated to its first digits, last
//! digits and digit count.
//!
//! A thousand whole values of two million digits each would make a list of two gigabytes. `GET
//! /values/{index}` returns all digits. Queue, server and page use these rules.

use std::borrow::Cow;

/// What a list shows for a value that is not calculated yet, as in the original application.
pub const PENDING: &str = "Nothing yet!";

/// Values of at most this many digits are whole in lists (F(2000) has 418).
pub const MAX_WHOLE_DIGITS: usize = 500;

/// The last index whose value has at most [`MAX_WHOLE_DIGITS`] digits.
pub const LAST_WHOLE_INDEX: u32 = 2_394;

/// The number of first digits, and of last digits, in an abbreviated value.
pub const END_DIGITS: usize = 20;

/// The lowest `max_digits` of [`shorten`]. Below it, the first and the last digits would overlap.
pub const MIN_DIGITS_LIMIT: usize = 2 * END_DIGITS;

/// The number of indices, and of values, that the page requests when it is opened. The server
/// answers concurrent requests for these values, with the limit [`MAX_WHOLE_DIGITS_ON_PAGE`], by
/// one read.
pub const FIRST_PAGE_SIZE: usize = 50;

/// Values of at most this many digits are whole on the page.
pub const MAX_WHOLE_DIGITS_ON_PAGE: usize = 60;

/// What lists show for the value `digits`, which must be ASCII: all digits, or
/// `first…last (N digits)` if there are more than [`MAX_WHOLE_DIGITS`].
#[must_use]
pub fn abbreviate(digits: &str) -> Cow<'_, str> {
    abbreviate_above(MAX_WHOLE_DIGITS, digits)
}

/// Abbreviates the text of a list entry if it is a whole value of more than `max_digits`, which is
/// at least [`MIN_DIGITS_LIMIT`]. Returns any other text unchanged.
#[must_use]
pub fn shorten(text: &str, max_digits: usize) -> Cow<'_, str> {
    if is_whole(text) { abbreviate_above(max_digits, text) } else { Cow::Borrowed(text) }
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

/// The digit count of the value that lists show as `text`. Returns `None` for [`PENDING`] and for
/// any other text that is not a value.
#[must_use]
pub fn digit_count(text: &str) -> Option<usize> {
    if is_whole(text) {
        return Some(text.len());
    }
    let (ends, count) = text.strip_suffix(" digits)")?.split_once(" (")?;
    let (first, last) = ends.split_once('…')?;
    if is_whole(first) && is_whole(last) { count.parse().ok() } else { None }
}

/// Whether `text` is a whole value: ASCII digits and nothing else.
#[must_use]
pub fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_is_shown_whole() {
        assert_eq!(abbreviate("55"), "55");
        assert_eq!(abbreviate(&"7".repeat(MAX_WHOLE_DIGITS)), "7".repeat(MAX_WHOLE_DIGITS));
        assert!(is_whole("55"));
    }

    #[test]
    fn a_list_entry_can_be_shortened_further() {
        let digits = format!("{}{}", "1".repeat(20), "9".repeat(21));
        assert_eq!(shorten(&digits, 41), digits);
        let shown = "11111111111111111111…99999999999999999999 (41 digits)";
        assert_eq!(shorten(&digits, MIN_DIGITS_LIMIT), shown);
        for other in [shown, PENDING, "55"] {
            assert_eq!(shorten(other, MIN_DIGITS_LIMIT), other);
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
