//! The rules of an index: decimal digits, and a number from 0 to a bound.
//!
//! `1e3`, `3.0`, `+7` and `0x20` are rejected rather than interpreted, so that page, server and
//! logs never disagree about which index was meant. The bound is configured (`MAX_INDEX`), so it is
//! an argument.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A valid index n of the Fibonacci sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(example = 7))]
#[serde(transparent)]
pub struct Index(u32);

/// Why a text is not a valid index. `Display` is for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The text is empty.
    #[error("an index is needed: a whole number, written in digits")]
    Missing,
    /// The text has other characters than decimal digits.
    #[error("an index is a whole number, written in digits: 0, 1, 2, …")]
    NotWhole,
    /// The number is above the bound.
    #[error("the highest index that is calculated here is {max}")]
    TooHigh { max: u32 },
}

impl Index {
    /// The largest possible bound: the column of the original table is a signed 32-bit integer.
    pub const LARGEST: u32 = i32::MAX as u32;

    /// Parses ASCII digits as an index from 0 to `max`.
    pub fn parse(text: &str, max: u32) -> Result<Self, IndexError> {
        if text.is_empty() {
            return Err(IndexError::Missing);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IndexError::NotWhole);
        }
        // Only digits are left, so the one way to fail is to be larger than any bound.
        let number = text.parse::<u64>().unwrap_or(u64::MAX);
        Self::from_number(number, max)
    }

    /// An index up to `max`.
    pub fn from_number(number: u64, max: u32) -> Result<Self, IndexError> {
        match u32::try_from(number) {
            Ok(number) if number <= max => Ok(Self(number)),
            _ => Err(IndexError::TooHigh { max }),
        }
    }

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
    fn everything_that_is_not_only_digits_is_refused() {
        for text in [
            "abc", "-1", "+1", "3.7", "1e3", "0x20", " 7", "7 ", "7\n", "٧", "１", "1_000", "null",
            "-0",
        ] {
            assert_eq!(Index::parse(text, 40), Err(IndexError::NotWhole), "{text:?}");
        }
        assert_eq!(Index::parse("", 40), Err(IndexError::Missing));
    }

    #[test]
    fn a_number_above_the_bound_is_too_high_however_long_it_is() {
        for text in ["41", "4294967297", "18446744073709551616", &"9".repeat(1000)] {
            assert_eq!(Index::parse(text, 40), Err(IndexError::TooHigh { max: 40 }), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_up_to_the_bound_is_itself_and_every_other_is_too_high(number: u64, max in 0..=Index::LARGEST) {
            let expected = u32::try_from(number).ok().filter(|number| *number <= max);
            let parsed = Index::parse(&number.to_string(), max);
            proptest::prop_assert_eq!(parsed.as_ref().ok().map(|index| index.get()), expected);
            proptest::prop_assert_eq!(Index::from_number(number, max), parsed);
        }

        #[test]
        fn numbers_near_the_bound_are_taken_exactly(offset in -3_i64..=3, max in 3..=Index::LARGEST) {
            let number = i64::from(max) + offset;
            proptest::prop_assert_eq!(Index::parse(&number.to_string(), max).is_ok(), offset <= 0);
        }

        #[test]
        fn no_text_is_taken_but_digits_and_none_breaks_the_parser(text in "\\PC*", max: u32) {
            let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = Index::parse(&text, max);
            proptest::prop_assert!(is_digits || parsed.is_err());
            proptest::prop_assert!(parsed.is_err() || parsed.is_ok_and(|index| index.get() <= max));
        }
    }
}
