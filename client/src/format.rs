//! Formats numbers, durations and messages for the page, and parses a typed index.

use contract::{Index, IndexError};

/// Digits in groups of three: `10,000,000`.
pub(crate) fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `F(1,000)`.
pub(crate) fn fibonacci(index: u32) -> String {
    format!("F({})", grouped(index))
}

/// `1 digit`, `2 digits`, `2,089,877 digits`.
pub(crate) fn digit_count(count: usize) -> String {
    format!("{} {}", grouped(count as u64), if count == 1 { "digit" } else { "digits" })
}

/// `1 time`, `2 times`, `1,000 times`.
pub(crate) fn times(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "time" } else { "times" })
}

/// A duration in µs with two or three significant digits: `0.42 ms`, `3.1 ms`, `312 ms`, `1.31 s`.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("0.{:02} ms", micros / 10),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    }
}

/// A duration in µs between two times, one of which has a resolution of 1 ms.
pub(crate) fn coarse_duration(micros: u64) -> String {
    match micros {
        0..1_000 => "< 1 ms".to_owned(),
        1_000..10_000 => format!("{} ms", (micros + 500) / 1_000),
        _ => duration(micros),
    }
}

/// Makes the text a sentence: a capital letter first, and a full stop at the end if there is none.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first =
        chars.next().map(|first| first.to_ascii_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '…', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Removes separators between groups of three digits, so that `10,000` and `10 000` become `10000`,
/// and space around the text. Other text is returned unchanged.
pub(crate) fn ungrouped(typed: &str) -> String {
    let typed = typed.trim();
    let is_separator =
        |letter| matches!(letter, ',' | ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’');
    let groups: Vec<&str> = typed.split(is_separator).collect();
    let is_grouped = groups.iter().enumerate().all(|(position, group)| {
        let fits = if position == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
        fits && contract::is_whole(group)
    });
    if is_grouped { groups.concat() } else { typed.to_owned() }
}

/// Parses an index from 0 to `max`. The error is a message for the person who typed it.
pub(crate) fn parse_index(typed: &str, max: u32) -> Result<u32, String> {
    Index::parse(&ungrouped(typed), max).map(Index::get).map_err(|error| {
        let invalid = typed.trim().chars().find(|letter| !letter.is_ascii_digit());
        match (&error, invalid) {
            (IndexError::TooHigh { max }, _) => {
                format!("The highest index that is calculated here is {}.", grouped(*max))
            }
            (IndexError::NotWhole, Some('-')) => "An index is not negative: 0, 1, 2, …".to_owned(),
            (IndexError::NotWhole, Some(' ' | ',' | '.')) => {
                "Use digits only, e.g. 1000.".to_owned()
            }
            (IndexError::NotWhole, Some(letter)) => {
                format!("“{letter}” is not a digit. Use digits only, e.g. 1000.")
            }
            _ => sentence(&error.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts: Vec<_> =
            [0_u64, 999, 1_000, 12_345, 10_000_000].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "10,000,000"]);
        assert_eq!(
            (digit_count(1).as_str(), digit_count(1_234).as_str()),
            ("1 digit", "1,234 digits")
        );
    }

    #[test]
    fn durations_have_two_or_three_significant_digits() {
        let texts: Vec<_> = [0, 424, 3_141, 31_415, 312_000, 1_314_000].map(duration).into();
        assert_eq!(texts, ["0.00 ms", "0.42 ms", "3.1 ms", "31 ms", "312 ms", "1.31 s"]);
        let coarse: Vec<_> = [0, 999, 1_499, 3_500, 31_415].map(coarse_duration).into();
        assert_eq!(coarse, ["< 1 ms", "< 1 ms", "1 ms", "4 ms", "31 ms"]);
    }

    #[test]
    fn an_index_may_be_typed_with_grouped_digits() {
        for typed in ["1000", " 1000 ", "1,000", "1 000", "1\u{202f}000", "1'000"] {
            assert_eq!(parse_index(typed, 10_000), Ok(1_000), "{typed:?}");
        }
        assert_eq!(parse_index("007", 10_000), Ok(7));
        assert_eq!(ungrouped("10,000,000"), "10000000");
    }

    #[test]
    fn an_invalid_index_is_explained() {
        let why = |typed| parse_index(typed, 10_000_000).unwrap_err();
        assert_eq!(why("1e3"), "“e” is not a digit. Use digits only, e.g. 1000.");
        assert_eq!(why("٧"), "“٧” is not a digit. Use digits only, e.g. 1000.");
        assert_eq!(why("-7"), "An index is not negative: 0, 1, 2, …");
        for typed in ["1,00", "3.5", "1.000", "1 2", "1,,000", ",100"] {
            assert_eq!(why(typed), "Use digits only, e.g. 1000.", "{typed}");
        }
        assert_eq!(why("10,000,001"), "The highest index that is calculated here is 10,000,000.");
        assert_eq!(why(""), "An index is needed: a whole number, written in digits.");
    }

    #[test]
    fn a_text_becomes_a_sentence() {
        assert_eq!(sentence("an index is needed"), "An index is needed.");
        assert_eq!(sentence("written in digits: 0, 1, …"), "Written in digits: 0, 1, …");
    }
}
