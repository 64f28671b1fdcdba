//! The rules of an index: it is written in decimal digits, and is a number from 0 to a bound.
//!
//! `1e3`, `3.0`, `+7` and `0x20` are rejected, so that the page, the server and the logs never read
//! the same text as different indices. The bound is an argument because it is configuration
//! (`MAX_INDEX`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The highest index of a small job: its calculation takes less than a millisecond.
pub const MAX_SMALL_INDEX: u32 = 100_000;

/// A valid index n of the Fibonacci sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(example = 7))]
#[serde(transparent)]
pub struct Index(u32);

/// Why a text is not a valid index. The message is for the user who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The text is empty.
    #[error("an index is needed: a whole number, written in digits")]
    Missing,
    /// The text contains other characters than ASCII digits.
    #[error("an index is a whole number, written in digits: 0, 1, 2, …")]
    NotWhole,
    /// The number is above the bound.
    #[error("the highest index that is calculated here is {max}")]
    TooHigh {
        /// The bound.
        max: u32,
    },
}

impl Index {
    /// The largest possible bound. In the original's table, the column is a signed 32-bit integer.
    pub const LARGEST: u32 = i32::MAX as u32;

    /// Parses ASCII digits as an index from 0 to `max`. Leading zeros are allowed.
    pub fn parse(text: &str, max: u32) -> Result<Self, IndexError> {
        if text.is_empty() {
            return Err(IndexError::Missing);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IndexError::NotWhole);
        }
        // There are only digits, so parsing fails only above 2^64 − 1.
        let number = text.parse::<u64>().unwrap_or(u64::MAX);
        Self::from_number(number, max)
    }

    /// Accepts a number from 0 to `max`.
    pub fn from_number(number: u64, max: u32) -> Result<Self, IndexError> {
        match u32::try_from(number) {
            Ok(number) if number <= max => Ok(Self(number)),
            _ => Err(IndexError::TooHigh { max }),
        }
    }

    /// The index as a number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_up_to_the_bound_are_an_index() {
        for (text, number) in [("0", 0), ("7", 7), ("007", 7), ("40", 40)] {
            assert_eq!(Index::parse(text, 40).map(Index::get), Ok(number), "{text:?}");
        }
    }

    #[test]
    fn text_with_anything_but_digits_is_refused() {
        for text in [
            "abc", "-1", "+1", "3.7", "1e3", "0x20", " 7", "7 ", "7\n", "٧", "１", "1_000", "null",
            "-0",
        ] {
            assert_eq!(Index::parse(text, 40), Err(IndexError::NotWhole), "{text:?}");
        }
        assert_eq!(Index::parse("", 40), Err(IndexError::Missing));
    }

    #[test]
    fn a_number_above_the_bound_is_too_high_at_any_length() {
        for text in ["41", "4294967297", "18446744073709551616", &"9".repeat(1000)] {
            assert_eq!(Index::parse(text, 40), Err(IndexError::TooHigh { max: 40 }), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_accepted_exactly_up_to_the_bound(
            number: u64, max in 0..=Index::LARGEST
        ) {
            let expected = u32::try_from(number).ok().filter(|number| *number <= max);
            let parsed = Index::parse(&number.to_string(), max);
            proptest::prop_assert_eq!(parsed.as_ref().ok().map(|index| index.get()), expected);
            proptest::prop_assert_eq!(Index::from_number(number, max), parsed);
        }

        #[test]
        fn numbers_beside_the_bound_are_accepted_exactly_up_to_it(
            offset in -3_i64..=3, max in 3..=Index::LARGEST
        ) {
            let number = i64::from(max) + offset;
            proptest::prop_assert_eq!(Index::parse(&number.to_string(), max).is_ok(), offset <= 0);
        }

        #[test]
        fn arbitrary_text_is_refused_unless_it_is_digits(text in "\\PC*", max: u32) {
            let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = Index::parse(&text, max);
            proptest::prop_assert!(is_digits || parsed.is_err());
            proptest::prop_assert!(parsed.is_err() || parsed.is_ok_and(|index| index.get() <= max));
        }
    }
}
