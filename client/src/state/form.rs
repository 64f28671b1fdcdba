//! The form for an index: what was typed, what was sent, and what is said beside it.

use crate::api::RequestError;
use crate::{format, formula};

/// Time in µs that a notice stays after its countdown.
const NOTICE_TIME: u64 = 10_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexForm {
    pub(crate) typed: String,
    /// Whether the text was sent as it stands there: an empty field is wrong only then.
    is_sent: bool,
    refusal: Option<Refusal>,
}

/// The server did not take an index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    index: u32,
    error: RequestError,
    /// In µs.
    at: u64,
}

impl IndexForm {
    pub(crate) fn type_in(&mut self, typed: String) {
        self.typed = typed;
        self.is_sent = false;
        self.refusal = None;
    }

    /// What is wrong with the text.
    pub(crate) fn error(&self, max: u32) -> Option<String> {
        let refusal = self.refusal.as_ref().filter(|refusal| self.is_wrong_input(refusal));
        let parsed = || format::parse_index(&self.typed, max).err();
        let is_judged = self.is_sent || !self.typed.trim().is_empty();
        refusal.map(|refusal| refusal.error.to_string()).or_else(|| parsed().filter(|_| is_judged))
    }

    /// What may be typed, or what to expect of what was.
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

    /// Why the server did not take an index, and when to try again. Beside another index, it says
    /// which one it is about.
    pub(crate) fn notice(&self, now: u64) -> Option<String> {
        let refusal = self.refusal.as_ref().filter(|refusal| !self.is_wrong_input(refusal))?;
        let words = refusal.words(now);
        let index = refusal.index;
        Some(if self.has(index) { words } else { format!("{}: {words}", format::fibonacci(index)) })
    }

    /// The same beside this index.
    pub(crate) fn notice_of(&self, index: u32, now: u64) -> Option<String> {
        let refusal = self.refusal.as_ref().filter(|refusal| refusal.index == index)?;
        Some(refusal.words(now))
    }

    /// Ends a notice when its time is over. Returns whether there is one that counts seconds.
    pub(crate) fn count_down(&mut self, now: u64) -> bool {
        let Some(retry_at) = self.refusal.as_ref().and_then(Refusal::retry_at) else {
            return false;
        };
        self.refusal.take_if(|_| now > retry_at + NOTICE_TIME);
        true
    }

    /// The server can be reached again.
    pub(crate) fn reconnected(&mut self) {
        self.refusal.take_if(|refusal| refusal.error.retry_after().is_none());
    }

    /// The form is submitted. The index to send; `None` if the text is not an index up to `max`.
    pub(crate) fn submit(&mut self, max: u32) -> Option<u32> {
        self.is_sent = true;
        format::parse_index(&self.typed, max).ok()
    }

    pub(crate) fn clear_refusal(&mut self) {
        self.refusal = None;
    }

    /// Clears the field after its index was accepted, unless something else was typed.
    pub(crate) fn accept(&mut self, index: u32) {
        if self.is_sent && self.has(index) {
            (self.typed, self.is_sent) = (String::new(), false);
        }
    }

    /// An index that was sent is refused. It stays in the field.
    pub(crate) fn refuse(&mut self, index: u32, error: RequestError, now: u64) {
        self.refusal = Some(Refusal { index, error, at: now });
    }

    fn has(&self, index: u32) -> bool {
        format::parse_index(&self.typed, contract::Index::LARGEST) == Ok(index)
    }

    /// Whether the field has what was refused, and what it has is wrong.
    fn is_wrong_input(&self, refusal: &Refusal) -> bool {
        refusal.error.is_input_error() && self.has(refusal.index)
    }
}

impl Refusal {
    /// When it may be tried again; `None`: when the connection is back, or never.
    fn retry_at(&self) -> Option<u64> {
        let seconds = self.error.retry_after().filter(|_| !self.error.is_input_error())?;
        Some(self.at + u64::from(seconds) * 1_000_000)
    }

    fn words(&self, now: u64) -> String {
        let why = self.error.title();
        match self.retry_at() {
            _ if self.error.is_input_error() => self.error.to_string(),
            None => format!("{why} Try again when the connection is back."),
            Some(at) if at > now => {
                format!("{why} Try again in {} s.", (at - now).div_ceil(1_000_000))
            }
            Some(_) => format!("{why} You can try again now."),
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
    fn what_is_typed_is_validated_at_once_and_its_digits_are_counted() {
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
    fn an_empty_field_is_wrong_only_when_it_is_sent() {
        let mut form = form("");
        assert_eq!(form.error(MAX), None);
        assert_eq!(form.submit(MAX), None);
        assert!(form.error(MAX).unwrap().starts_with("An index is needed"));
        form.type_in("7".to_owned());
        assert_eq!(form.error(MAX), None);
    }

    #[test]
    fn an_index_goes_from_the_field_when_it_is_accepted() {
        let mut form = form("1,000");
        assert_eq!(form.submit(MAX), Some(1_000));
        form.type_in("300".to_owned());
        assert_eq!(form.submit(MAX), Some(300));
        form.accept(1_000);
        assert_eq!(form.typed, "300", "another stands there");
        form.accept(300);
        assert_eq!(form.typed, "");
    }

    #[test]
    fn what_is_typed_anew_stays_when_the_same_was_accepted() {
        let mut form = form("1");
        form.submit(MAX);
        form.type_in("1".to_owned());
        form.accept(1);
        assert_eq!(form.typed, "1", "it may become 10");
    }

    #[test]
    fn a_busy_server_makes_no_input_wrong_and_the_notice_counts_down() {
        let mut form = form("7");
        form.submit(MAX);
        let at = 5_000_000;
        form.refuse(7, refused(429, "Too many requests", None, Some(2)), at);
        assert_eq!((form.error(MAX), form.typed.as_str()), (None, "7"));
        let notices = [0, 1_000_000, 2_000_000].map(|micros| form.notice(at + micros).unwrap());
        let expected = ["Try again in 2 s.", "Try again in 1 s.", "You can try again now."];
        assert_eq!(notices, expected.map(|when| format!("Too many requests. {when}")));
        assert!(form.count_down(at + 2_000_000 + NOTICE_TIME));
        assert!(form.notice(at).is_some());
        form.count_down(at + 2_000_001 + NOTICE_TIME);
        assert_eq!(form.notice(at), None);
    }

    #[test]
    fn a_lost_connection_is_said_until_it_is_back() {
        let mut form = form("7");
        form.submit(MAX);
        form.type_in("8".to_owned());
        form.refuse(7, RequestError::Unreachable, 0);
        assert!(form.notice(0).unwrap().starts_with("F(7): The server cannot be reached."));
        assert!(!form.count_down(NOTICE_TIME + 1));
        form.reconnected();
        assert_eq!(form.notice(0), None);
    }

    #[test]
    fn an_input_that_the_server_refuses_is_wrong_until_it_is_changed() {
        let mut form = form("7");
        form.submit(MAX);
        form.refuse(7, refused(422, "Index too high", None, None), 0);
        assert_eq!((form.error(MAX).as_deref(), form.notice(0)), (Some("Index too high."), None));
        form.type_in("7".to_owned());
        assert_eq!(form.error(MAX), None);
    }

    #[test]
    fn a_refused_input_that_is_no_longer_in_the_field_is_a_notice() {
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
