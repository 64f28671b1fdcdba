//! The state of the form for an index: the typed text, and the error, hint or notice beside it.

use crate::api::RequestError;
use crate::{format, formula};

/// Time in µs after the countdown of a notice until the notice is removed.
const NOTICE_EXPIRY_MICROS: u64 = 10_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexForm {
    pub(crate) typed: String,
    /// Whether this text was submitted. Before that, an empty field is not an error.
    is_submitted: bool,
    refusal: Option<Refusal>,
}

/// The server refused an index, or did not respond.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    index: u32,
    error: RequestError,
    /// In µs since the Unix epoch.
    at: u64,
}

impl IndexForm {
    pub(crate) fn type_in(&mut self, typed: String) {
        self.typed = typed;
        self.is_submitted = false;
        self.refusal = None;
    }

    /// Why the typed text is not an index up to `max`, or why the server refused it.
    pub(crate) fn error(&self, max: u32) -> Option<String> {
        let refusal = self.refusal.as_ref().filter(|refusal| self.is_wrong_input(refusal));
        let parsed = || format::parse_index(&self.typed, max).err();
        let is_checked = self.is_submitted || !self.typed.trim().is_empty();
        refusal.map(|refusal| refusal.error.to_string()).or_else(|| parsed().filter(|_| is_checked))
    }

    /// What is allowed, or the digit count of the typed index.
    pub(crate) fn hint(&self, max_index: Option<u32>) -> String {
        let max = max_index.unwrap_or(contract::Index::LARGEST);
        match (format::parse_index(&self.typed, max), max_index) {
            (Ok(index), _) => {
                let count = format::digit_count(formula::digit_count(index));
                format!("{} has {count}. Press Enter to calculate.", format::fibonacci(index))
            }
            (Err(_), Some(max)) => format!("Whole numbers from 0 to {}.", format::grouped(max)),
            (Err(_), None) => "Whole numbers: 0, 1, 2, …".to_owned(),
        }
    }

    /// Why the server refused an index, and when to try again. If the field has another index by
    /// now, the notice names the refused one.
    pub(crate) fn notice(&self, now: u64) -> Option<String> {
        let refusal = self.refusal.as_ref().filter(|refusal| !self.is_wrong_input(refusal))?;
        let text = refusal.text(now);
        let index = refusal.index;
        Some(if self.has(index) { text } else { format!("{}: {text}", format::fibonacci(index)) })
    }

    /// The notice for the page of `index`, if that is the refused one.
    pub(crate) fn notice_of(&self, index: u32, now: u64) -> Option<String> {
        let refusal = self.refusal.as_ref().filter(|refusal| refusal.index == index)?;
        Some(refusal.text(now))
    }

    /// Removes a notice that has expired. Returns whether there was one with a countdown.
    pub(crate) fn count_down(&mut self, now: u64) -> bool {
        let Some(retry_at) = self.refusal.as_ref().and_then(Refusal::retry_at) else {
            return false;
        };
        self.refusal.take_if(|_| now > retry_at + NOTICE_EXPIRY_MICROS);
        true
    }

    /// Removes a notice about the lost connection.
    pub(crate) fn reconnected(&mut self) {
        self.refusal.take_if(|refusal| refusal.error.retry_after().is_none());
    }

    /// Returns the index to send, or `None` if the text is not an index up to `max`.
    pub(crate) fn submit(&mut self, max: u32) -> Option<u32> {
        self.is_submitted = true;
        format::parse_index(&self.typed, max).ok()
    }

    pub(crate) fn clear_refusal(&mut self) {
        self.refusal = None;
    }

    /// The server accepted the index: clears the field, unless it was edited meanwhile.
    pub(crate) fn accept(&mut self, index: u32) {
        if self.is_submitted && self.has(index) {
            (self.typed, self.is_submitted) = (String::new(), false);
        }
    }

    /// The server refused the index, which stays in the field.
    pub(crate) fn refuse(&mut self, index: u32, error: RequestError, now: u64) {
        self.refusal = Some(Refusal { index, error, at: now });
    }

    fn has(&self, index: u32) -> bool {
        format::parse_index(&self.typed, contract::Index::LARGEST) == Ok(index)
    }

    /// Whether the refused index is still in the field, and was refused as wrong input.
    fn is_wrong_input(&self, refusal: &Refusal) -> bool {
        refusal.error.is_input_error() && self.has(refusal.index)
    }
}

impl Refusal {
    /// When a retry may succeed; `None` if the connection has to come back first, or the index is
    /// wrong.
    fn retry_at(&self) -> Option<u64> {
        let seconds = self.error.retry_after().filter(|_| !self.error.is_input_error())?;
        Some(self.at + u64::from(seconds) * 1_000_000)
    }

    fn text(&self, now: u64) -> String {
        let title = self.error.title();
        match self.retry_at() {
            _ if self.error.is_input_error() => self.error.to_string(),
            None => format!("{title} Try again when the connection is back."),
            Some(at) if at > now => {
                format!("{title} Try again in {} s.", (at - now).div_ceil(1_000_000))
            }
            Some(_) => format!("{title} Try again."),
        }
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
    fn a_typed_index_is_validated_and_its_digits_are_counted() {
        let why = "“e” is not a digit. Use digits only, e.g. 1000.";
        assert_eq!(form("1e3").error(MAX).as_deref(), Some(why));
        for typed in [" 1000 ", "1,000", "1 000"] {
            assert_eq!(form(typed).error(MAX), None, "{typed}");
            assert_eq!(
                form(typed).hint(None),
                "F(1,000) has 209 digits. Press Enter to calculate."
            );
        }
        let why = "The highest index that is calculated here is 40.";
        assert_eq!(form("41").error(40).as_deref(), Some(why));
        assert_eq!(form("").hint(Some(40)), "Whole numbers from 0 to 40.");
    }

    #[test]
    fn an_empty_field_is_an_error_only_after_it_was_submitted() {
        let mut form = form("");
        assert_eq!(form.error(MAX), None);
        assert_eq!(form.submit(MAX), None);
        assert!(form.error(MAX).unwrap().starts_with("An index is needed"));
        form.type_in("7".to_owned());
        assert_eq!(form.error(MAX), None);
    }

    #[test]
    fn an_accepted_index_is_cleared_from_the_field() {
        let mut form = form("1,000");
        assert_eq!(form.submit(MAX), Some(1_000));
        form.type_in("300".to_owned());
        assert_eq!(form.submit(MAX), Some(300));
        form.accept(1_000);
        assert_eq!(form.typed, "300", "the field has another index");
        form.accept(300);
        assert_eq!(form.typed, "");
    }

    #[test]
    fn an_index_that_was_typed_again_stays_after_the_first_is_accepted() {
        let mut form = form("1");
        form.submit(MAX);
        form.type_in("1".to_owned());
        form.accept(1);
        assert_eq!(form.typed, "1", "it may become 10");
    }

    #[test]
    fn a_rate_limit_is_a_notice_with_a_countdown_not_an_error() {
        let mut form = form("7");
        form.submit(MAX);
        let at = 5_000_000;
        form.refuse(7, refused(429, "Too many requests", None, Some(2)), at);
        assert_eq!((form.error(MAX), form.typed.as_str()), (None, "7"));
        let notices = [0, 1_000_000, 2_000_000].map(|micros| form.notice(at + micros).unwrap());
        let expected = ["Try again in 2 s.", "Try again in 1 s.", "Try again."];
        assert_eq!(notices, expected.map(|when| format!("Too many requests. {when}")));
        assert!(form.count_down(at + 2_000_000 + NOTICE_EXPIRY_MICROS));
        assert!(form.notice(at).is_some());
        form.count_down(at + 2_000_001 + NOTICE_EXPIRY_MICROS);
        assert_eq!(form.notice(at), None);
    }

    #[test]
    fn the_notice_of_a_lost_connection_stays_until_it_is_back() {
        let mut form = form("7");
        form.submit(MAX);
        form.type_in("8".to_owned());
        form.refuse(7, RequestError::Unreachable, 0);
        assert!(form.notice(0).unwrap().starts_with("F(7): The server cannot be reached."));
        assert!(!form.count_down(NOTICE_EXPIRY_MICROS + 1));
        form.reconnected();
        assert_eq!(form.notice(0), None);
    }

    #[test]
    fn an_input_refused_by_the_server_is_an_error_until_it_is_edited() {
        let mut form = form("7");
        form.submit(MAX);
        form.refuse(7, refused(422, "Index too high", None, None), 0);
        assert_eq!((form.error(MAX).as_deref(), form.notice(0)), (Some("Index too high."), None));
        form.type_in("7".to_owned());
        assert_eq!(form.error(MAX), None);
    }

    #[test]
    fn a_refused_input_that_left_the_field_is_a_notice() {
        let mut form = form("7");
        form.submit(MAX);
        form.type_in("8".to_owned());
        form.refuse(7, refused(422, "Index too high", None, None), 0);
        assert_eq!(
            (form.error(MAX), form.notice(0).as_deref()),
            (None, Some("F(7): Index too high."))
        );
        assert_eq!(
            (form.notice_of(7, 0).as_deref(), form.notice_of(8, 0)),
            (Some("Index too high."), None)
        );
    }
}
