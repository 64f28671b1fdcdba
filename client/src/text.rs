//! Numbers, times and refusals as people read them.
//!
//! All in whole numbers: formatting floating point would weigh more than the page's logic. What comes from elsewhere becomes
//! harmless here, before it is markup.

use contract::IndexError;

/// Thousands apart: `10,000,000`.
#[must_use]
pub(crate) fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in µs with two or three digits that matter: `0.42 ms`, `3.1 ms`, `312 ms`, `1.31 s`.
#[must_use]
pub(crate) fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("0.{:02} ms", micros / 10),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    }
}

/// `1 digit`, `2 digits`, `2,089,877 digits`.
#[must_use]
pub(crate) fn digits(count: usize) -> String {
    format!("{} {}", grouped(count as u64), if count == 1 { "digit" } else { "digits" })
}

/// How many digits F(`index`) has: F(n) ≈ φⁿ/√5. Exact, but for rounding beside a power of ten.
#[must_use]
pub(crate) fn expected_digits(index: u32) -> usize {
    (f64::from(index) * LOG_PHI - LOG_SQRT5).max(0.0) as usize + 1
}

/// log10 of the golden ratio, and of the square root of 5.
pub(crate) const LOG_PHI: f64 = 0.208_987_640_249_978_73;
pub(crate) const LOG_SQRT5: f64 = 0.349_485_002_168_009_4;

/// Text for a place in HTML, between elements or in an attribute.
#[must_use]
pub(crate) fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            _ => text.push(letter),
        }
    }
    text
}

/// The same words with a capital in front, and a stop at the end unless there is one.
#[must_use]
pub(crate) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase().to_string()).unwrap_or_default();
    let stop = if words.ends_with(['.', '…', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Why `typed` is no index.
#[must_use]
pub(crate) fn refusal(typed: &str, wrong: &IndexError) -> String {
    let strange = typed.chars().find(|letter| !letter.is_ascii_digit());
    match (wrong, strange) {
        (IndexError::TooHigh { max }, _) => {
            format!("The highest index that is calculated here is {}.", grouped(*max))
        }
        (IndexError::NotWhole, Some('-')) => "An index is not negative: 0, 1, 2, …".to_owned(),
        (IndexError::NotWhole, Some(' ' | ',' | '.')) => {
            "An index is a whole number, its digits without anything between: 1000".to_owned()
        }
        (IndexError::NotWhole, Some(letter)) => {
            format!("“{letter}” is not a digit. An index is a whole number: 0, 1, 2, …")
        }
        _ => sentence(&wrong.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts: Vec<_> = [0_u64, 999, 1_000, 12_345, 10_000_000].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "10,000,000"]);
    }

    #[test]
    fn times_have_the_digits_that_matter() {
        let texts: Vec<_> = [0, 424, 3_141, 31_415, 312_000, 1_314_000].into_iter().map(time).collect();
        assert_eq!(texts, ["0.00 ms", "0.42 ms", "3.1 ms", "31 ms", "312 ms", "1.31 s"]);
    }

    #[test]
    fn one_digit_is_one() {
        assert_eq!((digits(1).as_str(), digits(1_234).as_str()), ("1 digit", "1,234 digits"));
    }

    #[test]
    fn the_digits_to_come_are_known_beforehand() {
        let counts: Vec<_> = [0, 1, 6, 7, 10, 1_000, 9_570_000, 10_000_000].map(expected_digits).into();
        assert_eq!(counts, [1, 1, 1, 2, 2, 209, 2_000_012, 2_089_877]);
    }

    #[test]
    fn what_comes_from_elsewhere_cannot_become_markup() {
        assert_eq!(escaped("<b a=\"1\" b='2'>&…"), "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;…");
    }

    #[test]
    fn what_is_refused_is_named_with_what_would_be_right() {
        let why = |typed: &str| refusal(typed, &contract::Index::parse(typed, 10_000_000).unwrap_err());
        assert_eq!(why("1e3"), "“e” is not a digit. An index is a whole number: 0, 1, 2, …");
        assert_eq!(why("٧"), "“٧” is not a digit. An index is a whole number: 0, 1, 2, …");
        assert_eq!(why("-7"), "An index is not negative: 0, 1, 2, …");
        for typed in ["1,000", "3.5", "10 000"] {
            let apart = "An index is a whole number, its digits without anything between: 1000";
            assert_eq!(why(typed), apart, "{typed}");
        }
        assert_eq!(why("10000001"), "The highest index that is calculated here is 10,000,000.");
        assert_eq!(why(""), "An index is needed: a whole number, written in digits.");
    }

    #[test]
    fn an_error_becomes_a_sentence() {
        assert_eq!(sentence("an index is needed"), "An index is needed.");
        assert_eq!(sentence("written in digits: 0, 1, …"), "Written in digits: 0, 1, …");
        assert_eq!(sentence("élan"), "élan.", "no other script's letters are expected in front");
        assert_eq!(sentence(""), ".");
    }
}
