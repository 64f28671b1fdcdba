//! How a value is shown in lists: whole while it is short, else by its ends and its digit count.
//!
//! A list of a thousand values of two million digits each would be two gigabytes; the whole number
//! has a route of its own. Both the worker (which stores what lists show) and the server use this.

use std::borrow::Cow;

/// What a list shows for a value that is not there yet; the original's words.
pub const PENDING: &str = "Nothing yet!";

/// Values of at most this many digits are shown whole (F(2000) has 418).
pub const WHOLE_DIGITS: usize = 500;

/// The last index whose value has no more digits than that.
pub const LAST_WHOLE: u32 = 2_394;

/// Digits shown of each end of a longer value.
pub const END_DIGITS: usize = 20;

/// A value of fewer digits has no ends apart.
pub const LEAST_DIGITS: usize = 2 * END_DIGITS;

/// Indices that a page asks for when it is opened. The server reads that, with [`FIRST_DIGITS`],
/// once for all who ask.
pub const FIRST_INDICES: usize = 50;

/// A page asks for values of more digits than this by their ends.
pub const FIRST_DIGITS: usize = 60;

/// What lists show for `digits`: the same text, or `first…last (N digits)`. `digits` is ASCII.
#[must_use]
pub fn abbreviate(digits: &str) -> Cow<'_, str> {
    ends(digits, WHOLE_DIGITS)
}

/// What a list shows as `shown`, for a reader who wants no more than `most` digits whole,
/// [`LEAST_DIGITS`] or more.
#[must_use]
pub fn shorten(shown: &str, most: usize) -> Cow<'_, str> {
    // A placeholder, and what is abbreviated already, has no digits to spare.
    if is_whole(shown) { ends(shown, most) } else { Cow::Borrowed(shown) }
}

fn ends(digits: &str, most: usize) -> Cow<'_, str> {
    let length = digits.len();
    match (digits.get(..END_DIGITS), digits.get(length.saturating_sub(END_DIGITS)..)) {
        (Some(first), Some(last)) if length > most => {
            Cow::Owned(format!("{first}…{last} ({length} digits)"))
        }
        _ => Cow::Borrowed(digits),
    }
}

/// How many digits the value has that lists show as `shown`; `None` for a placeholder, and for what
/// is no value.
#[must_use]
pub fn digit_count(shown: &str) -> Option<usize> {
    if is_whole(shown) {
        return Some(shown.len());
    }
    let (ends, count) = shown.strip_suffix(" digits)")?.split_once(" (")?;
    let (first, last) = ends.split_once('…')?;
    (is_whole(first) && is_whole(last)).then(|| count.parse().ok())?
}

/// Whether `shown` is a whole value: not a placeholder, not abbreviated, nor anything else than a
/// number.
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
    fn a_reader_may_want_fewer_digits_whole() {
        let digits = format!("{}{}", "1".repeat(20), "9".repeat(21));
        assert_eq!(shorten(&digits, 41), digits);
        let shown = "11111111111111111111…99999999999999999999 (41 digits)";
        assert_eq!(shorten(&digits, LEAST_DIGITS), shown);
        for other in [shown, PENDING, "55"] {
            assert_eq!(shorten(other, LEAST_DIGITS), other);
        }
    }

    #[test]
    fn a_long_value_is_shown_by_its_ends_and_its_digit_count() {
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
