//! The form for an index: what was typed, what was sent, and what is said beside it.

use crate::api::RequestError;
use crate::{format, formula};

/// Seconds that a notice stays after its countdown.
const NOTICE_SECONDS: i32 = 10;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexForm {
    pub(crate) typed: String,
    /// What is wrong with what was sent, until something else is typed.
    refused: Option<String>,
    notice: Option<RetryNotice>,
    /// What was sent and is not answered yet.
    sending: Vec<String>,
    /// Whether the field was changed since something was sent: it has the next index then.
    is_changed: bool,
}

/// The input is right, and the server did not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RetryNotice {
    why: String,
    /// Seconds until it may be tried again, then below 0; `None` until the connection is back.
    seconds: Option<i32>,
}

impl IndexForm {
    pub(crate) fn type_in(&mut self, typed: String) {
        self.typed = typed;
        self.refused = None;
        self.notice = None;
        self.is_changed = true;
    }

    /// What is wrong with the text. An empty field is wrong only when it was sent.
    pub(crate) fn error(&self, max: u32) -> Option<String> {
        let typed = || format::parse_index(&self.typed, max).err().filter(|_| !self.typed.trim().is_empty());
        self.refused.clone().or_else(typed)
    }

    /// What may be typed, or what to expect of what was.
    pub(crate) fn hint(&self, max_index: Option<u32>) -> String {
        let max = max_index.unwrap_or(contract::Index::LARGEST);
        match (format::parse_index(&self.typed, max), max_index) {
            (Ok(index), _) => {
                let count = format::digit_count(formula::digit_count(index.get()));
                format!("{} has {count}. Press Enter to calculate.", format::fibonacci(index.get()))
            }
            (Err(_), Some(max)) => format!("Whole numbers from 0 to {}.", format::grouped(max)),
            (Err(_), None) => "Whole numbers: 0, 1, 2, …".to_owned(),
        }
    }

    /// Why the server did not take the index, and when to try again.
    pub(crate) fn notice(&self) -> Option<String> {
        let RetryNotice { why, seconds } = self.notice.as_ref()?;
        Some(match seconds {
            Some(seconds) if *seconds > 0 => format!("{why} Try again in {seconds} s."),
            Some(_) => format!("{why} You can try again now."),
            None => format!("{why} Your index stays here; try again when the connection is back."),
        })
    }

    /// A second has passed. Returns whether there was anything to count.
    pub(crate) fn count_down(&mut self) -> bool {
        let Some(RetryNotice { seconds: Some(seconds), .. }) = &mut self.notice else { return false };
        *seconds -= 1;
        if *seconds < -NOTICE_SECONDS {
            self.notice = None;
        }
        true
    }

    /// The server can be reached again.
    pub(crate) fn reconnected(&mut self) {
        self.notice.take_if(|notice| notice.seconds.is_none());
    }

    /// Begins to send the text, and returns the index as digits. `None` when it is wrong, or on its
    /// way already: pressing Enter twice means it once.
    pub(crate) fn begin_sending(&mut self, max: u32) -> Option<String> {
        self.notice = None;
        self.refused = format::parse_index(&self.typed, max).err();
        if self.refused.is_some() {
            return None;
        }
        self.is_changed = false;
        let digits = format::ungrouped(&self.typed);
        if self.sending.contains(&digits) {
            return None;
        }
        self.sending.push(digits.clone());
        Some(digits)
    }

    /// What was sent is accepted. It goes from the field, unless something else was typed.
    pub(crate) fn accept(&mut self, sent: &str) {
        if self.end_sending(sent) {
            self.typed.clear();
        }
    }

    /// What was sent is refused. It stays in the field.
    pub(crate) fn refuse(&mut self, sent: &str, error: &RequestError) {
        // Beside another index, it says which one it is about.
        let prefix = if self.end_sending(sent) { String::new() } else { format!("F({sent}): ") };
        if error.is_input_error() {
            self.refused = Some(format!("{prefix}{error}"));
        } else {
            let seconds = match error {
                RequestError::Refused { retry_after: Some(seconds), .. } => i32::try_from(*seconds).ok(),
                RequestError::Refused { .. } | RequestError::Unexpected(_) => Some(0),
                RequestError::Unreachable | RequestError::Reloaded => None,
            };
            self.notice = Some(RetryNotice { why: format!("{prefix}{}", error.title()), seconds });
        }
    }

    /// Whether what was sent still stands in the field.
    fn end_sending(&mut self, sent: &str) -> bool {
        self.sending.retain(|other| other != sent);
        !self.is_changed && format::ungrouped(&self.typed) == sent
    }
}

#[cfg(test)]
mod tests {
    use contract::Index;

    use super::*;
    use crate::api::tests::refused;

    const MAX: u32 = Index::LARGEST;

    fn form(typed: &str) -> IndexForm {
        let mut form = IndexForm::default();
        form.type_in(typed.to_owned());
        form
    }

    #[test]
    fn what_is_typed_is_validated_at_once_and_its_digits_are_counted() {
        let why = "“e” is not a digit. Use digits only, e.g. 1000.";
        assert_eq!(form("1e3").error(MAX).as_deref(), Some(why));
        for typed in [" 1000 ", "1,000", "1 000"] {
            assert_eq!(form(typed).error(MAX), None, "{typed}");
            assert_eq!(form(typed).hint(None), "F(1,000) has 209 digits. Press Enter to calculate.");
        }
        let why = "The highest index that is calculated here is 40.";
        assert_eq!(form("41").error(40).as_deref(), Some(why));
        assert_eq!(form("").hint(Some(40)), "Whole numbers from 0 to 40.");
    }

    #[test]
    fn an_empty_field_is_wrong_only_when_it_is_sent() {
        let mut form = form("");
        assert_eq!(form.error(MAX), None);
        assert_eq!(form.begin_sending(MAX), None);
        assert!(form.error(MAX).unwrap().starts_with("An index is needed"));
        form.type_in("7".to_owned());
        assert_eq!(form.error(MAX), None);
    }

    #[test]
    fn the_same_index_is_sent_once_and_others_meanwhile() {
        let mut form = form("1,000");
        assert_eq!(form.begin_sending(MAX).as_deref(), Some("1000"));
        assert_eq!(form.begin_sending(MAX), None, "it is on its way");
        form.type_in("300".to_owned());
        assert_eq!(form.begin_sending(MAX).as_deref(), Some("300"));
        form.accept("1000");
        assert_eq!(form.typed, "300", "another stands there");
        form.accept("300");
        assert_eq!(form.typed, "");
    }

    #[test]
    fn what_is_typed_anew_stays_when_the_same_was_accepted() {
        let mut form = form("1");
        form.begin_sending(MAX);
        form.type_in("1".to_owned());
        form.accept("1");
        assert_eq!(form.typed, "1", "it may become 10");
    }

    #[test]
    fn a_busy_server_makes_no_input_wrong_and_the_notice_counts_down() {
        let mut form = form("7");
        form.begin_sending(MAX);
        form.refuse("7", &refused(429, "Too many requests", None, Some(2)));
        assert_eq!((form.error(MAX), form.typed.as_str()), (None, "7"));
        let mut notices = Vec::new();
        for _ in 0..3 {
            notices.extend(form.notice());
            form.count_down();
        }
        let expected = ["Try again in 2 s.", "Try again in 1 s.", "You can try again now."];
        assert_eq!(notices, expected.map(|when| format!("Too many requests. {when}")));
        for _ in 0..NOTICE_SECONDS {
            form.count_down();
        }
        assert_eq!(form.notice(), None);
    }

    #[test]
    fn a_lost_connection_is_said_until_it_is_back() {
        let mut form = form("7");
        form.begin_sending(MAX);
        form.type_in("8".to_owned());
        form.refuse("7", &RequestError::Unreachable);
        assert!(form.notice().unwrap().starts_with("F(7): The server cannot be reached."));
        assert!(!form.count_down());
        form.reconnected();
        assert_eq!(form.notice(), None);
    }

    #[test]
    fn an_input_that_the_server_refuses_is_wrong_until_it_is_changed() {
        let mut form = form("7");
        form.begin_sending(MAX);
        form.refuse("7", &refused(422, "Index too high", None, None));
        assert_eq!(form.error(MAX).as_deref(), Some("Index too high."));
        form.type_in("7".to_owned());
        assert_eq!(form.error(MAX), None);
    }
}
