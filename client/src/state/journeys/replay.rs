//! What happened at each hop of a journey, and what travelled, as text: the real messages where the
//! page has them, and the statements of the lesson with the values of this journey.

use contract::{MAX_SMALL_INDEX, SubmissionState};

use super::{Journey, JourneyStatus};
use crate::api::RequestError;

/// Positions in [`super::JOURNEY_HOPS`].
const QUEUED_HOP: usize = 4;
const SHOWN_HOP: usize = 8;

impl Journey {
    /// Whether the journey ended at `hop` by the response: it was refused there, or its value was
    /// known already.
    fn ends_by_response_at(&self, hop: usize) -> bool {
        self.stopped_at() == Some(hop)
            || hop == SHOWN_HOP && self.submission_state() == Some(SubmissionState::Done)
    }

    /// Whether at `hop` happened what the lesson says about it.
    pub(crate) fn follows_lesson_at(&self, hop: usize) -> bool {
        match hop {
            _ if self.ends_by_response_at(hop) => false,
            QUEUED_HOP => self.submission_state() != Some(SubmissionState::Pending),
            SHOWN_HOP => self.arrival.is_some(),
            _ => true,
        }
    }

    /// What happened at `hop`, without [`Self::outcome_text`]. `lesson` is the lesson's text.
    pub(crate) fn text(&self, hop: usize, lesson: &'static str) -> &'static str {
        match hop {
            _ if self.follows_lesson_at(hop) => lesson,
            QUEUED_HOP => "A job for this index was in the queue already.",
            _ => "",
        }
    }

    /// What travelled at `hop`. `template` is the lesson's message, with placeholders.
    pub(crate) fn message(&self, hop: usize, template: &str) -> String {
        let response = self.response_text().unwrap_or_default();
        match hop {
            _ if self.ends_by_response_at(hop) => response,
            QUEUED_HOP if !self.follows_lesson_at(hop) => response,
            QUEUED_HOP if self.submission_state() == Some(SubmissionState::Queued) => {
                format!("{}\n\n{response}", self.fill_placeholders(template))
            }
            // It was in a list: `outcome_text` says so.
            SHOWN_HOP if !self.follows_lesson_at(hop) => String::new(),
            _ => self.fill_placeholders(template),
        }
    }

    /// Why there are no more hops than those that the journey has passed.
    pub(crate) fn outcome_text(&self) -> String {
        if let Some(refusal) = self.refusal() {
            return refusal.to_string();
        }
        let text = match (self.status(), self.submission_state()) {
            (_, Some(SubmissionState::Done)) => self.note().unwrap_or_default(),
            (JourneyStatus::Waiting, Some(SubmissionState::Stored)) => {
                self.note().unwrap_or_default()
            }
            (JourneyStatus::Stopped, _) => "The calculation failed several times.",
            (JourneyStatus::Sending | JourneyStatus::Waiting, _) => {
                "Its value has not arrived yet."
            }
            (JourneyStatus::Arrived, _) if self.arrival.is_none() => {
                "No event brought the value. The page found it in the list of values, which it \
                 fetches with GET /api/values/current."
            }
            (JourneyStatus::Arrived, _) => "",
        };
        text.to_owned()
    }

    fn submission_state(&self) -> Option<SubmissionState> {
        Some(self.response.as_ref()?.as_ref().ok()?.state)
    }

    /// The response as the page read it; `None` without a response of the api or the edge.
    fn response_text(&self) -> Option<String> {
        let (status, retry_after, body) = match self.response.as_ref()? {
            Ok(response) => (200, None, serde_json::to_string(response)),
            Err(RequestError::Refused { problem, retry_after }) => {
                (problem.status, *retry_after, serde_json::to_string(problem))
            }
            Err(_) => return None,
        };
        let retry_after =
            retry_after.map(|seconds| format!("\nRetry-After: {seconds}")).unwrap_or_default();
        Some(format!("HTTP/1.1 {status}{retry_after}\n\n{}", body.unwrap_or_default()))
    }

    /// Replaces the placeholders of a template: `{index}`, `{request_id}`, `{edge_seconds}` (Unix
    /// time with three decimals), `{id}`, `{class}` (`small` or `large`), `{received}`,
    /// `{committed}`, `{pushed}`, `{worker}`, `{value}` and `{event}` (the JSON of the event
    /// `value`). One whose value is unknown becomes `…`.
    fn fill_placeholders(&self, template: &str) -> String {
        let response = self.response.as_ref().and_then(|response| response.as_ref().ok());
        let value = self.arrival.as_ref().map(|arrival| &arrival.value);
        let hops = value.map(|value| value.hops).unwrap_or_default();
        let own = response.map_or(hops, |response| response.hops);
        let event = value.and_then(|value| serde_json::to_string(value).ok());
        let class = if self.index <= MAX_SMALL_INDEX { "small" } else { "large" };
        let known = |time: u64| if time > 0 { time.to_string() } else { String::new() };
        let edge = match own.edge {
            0 => String::new(),
            edge => format!("{}.{:03}", edge / 1_000_000, edge / 1_000 % 1_000),
        };
        let values = [
            ("{index}", self.index.to_string()),
            ("{request_id}", self.request_id.clone()),
            ("{edge_seconds}", edge),
            ("{id}", response.map(|response| response.id.to_string()).unwrap_or_default()),
            ("{class}", class.to_owned()),
            ("{received}", known(own.received)),
            ("{committed}", known(own.committed)),
            ("{pushed}", known(hops.pushed)),
            ("{worker}", self.worker().unwrap_or_default().to_owned()),
            ("{value}", value.map(|value| value.value.clone()).unwrap_or_default()),
            ("{event}", event.unwrap_or_default()),
        ];
        values.into_iter().fold(template.to_owned(), |text, (placeholder, value)| {
            text.replace(placeholder, if value.is_empty() { "…" } else { &value })
        })
    }
}

#[cfg(test)]
mod tests {
    use contract::{Hops, Index, SubmitResponse, ValueEvent};

    use super::*;
    use crate::api::tests::refused;
    use crate::state::journeys::JourneyLog;
    use crate::state::lists::{ListChange, ListedValue};

    const TEMPLATE: &str = "{index} {class} {id} {request_id} {edge_seconds} {pushed} {worker}";

    fn journey(index: u32, state: SubmissionState) -> JourneyLog {
        let mut log = JourneyLog::default();
        log.send(index, "mine".to_owned(), 0);
        let index = Index::from_number(index.into(), Index::LARGEST).unwrap();
        let hops = Hops { edge: 1_002_000, committed: 1_003_000, ..Hops::default() };
        let (value, request_id) = (None, "mine".to_owned());
        let response =
            SubmitResponse { working: true, id: 7, index, state, value, request_id, hops };
        log.respond("mine", Ok(response), 2_000_000);
        log
    }

    #[test]
    fn placeholders_get_the_values_of_the_journey() {
        let mut log = journey(10, SubmissionState::Queued);
        assert_eq!(log.journeys[0].message(3, TEMPLATE), "10 small 7 mine 1.002 … …");
        let hops = Hops { pushed: 1_004_000, stored: 1_005_000, ..Hops::default() };
        let (index, request_id) = (Index::from_number(10, 10).unwrap(), "mine".to_owned());
        let (value, worker) = ("55".to_owned(), "w-1".to_owned());
        let event = ValueEvent { index, value, digits: 2, request_id, worker, hops };
        log.apply(&ListChange::Calculated(event), 2_000_000);
        let journey = &log.journeys[0];
        assert_eq!(journey.message(3, TEMPLATE), "10 small 7 mine 1.002 1004000 w-1");
        assert!(
            journey.message(8, "data: {event}").starts_with(r#"data: {"index":10,"value":"55""#)
        );
        assert_eq!((journey.follows_lesson_at(8), journey.outcome_text().as_str()), (true, ""));
        let large = journey_class(100_001);
        assert_eq!((journey_class(100_000).as_str(), large.as_str()), ("small", "large"));
    }

    fn journey_class(index: u32) -> String {
        journey(index, SubmissionState::Queued).journeys[0].message(3, "{class}")
    }

    #[test]
    fn the_response_follows_what_was_queued() {
        let log = journey(10, SubmissionState::Queued);
        let message = log.journeys[0].message(QUEUED_HOP, "EVALSHA");
        assert!(message.starts_with("EVALSHA\n\nHTTP/1.1 200\n\n{\"working\":true"), "{message}");
        assert_eq!(log.journeys[0].outcome_text(), "Its value has not arrived yet.");
    }

    #[test]
    fn a_known_value_comes_with_the_response() {
        let log = journey(10, SubmissionState::Done);
        let journey = &log.journeys[0];
        assert!(!journey.follows_lesson_at(SHOWN_HOP) && journey.follows_lesson_at(3));
        assert!(journey.message(SHOWN_HOP, "event").starts_with("HTTP/1.1 200\n\n"));
        assert!(journey.outcome_text().starts_with("Nothing was queued"));
    }

    #[test]
    fn a_refused_submission_ends_with_the_error() {
        let mut log = journey(10, SubmissionState::Queued);
        let error = refused(503, "Temporarily unavailable", None, Some(1));
        log.respond("mine", Err(error), 3_000_000);
        let journey = &log.journeys[0];
        assert!(!journey.follows_lesson_at(2) && journey.follows_lesson_at(1));
        let message = journey.message(2, "request");
        assert!(message.starts_with("HTTP/1.1 503\nRetry-After: 1\n\n{"), "{message}");
        assert_eq!(journey.outcome_text(), "Temporarily unavailable.");
    }

    #[test]
    fn a_pending_index_was_queued_by_another_submission() {
        let log = journey(10, SubmissionState::Pending);
        let journey = &log.journeys[0];
        let text = "A job for this index was in the queue already.";
        assert_eq!(journey.text(QUEUED_HOP, "One script"), text);
        assert!(journey.message(QUEUED_HOP, "EVALSHA").starts_with("HTTP/1.1 200\n\n"));
    }

    #[test]
    fn a_value_found_in_a_list_came_by_no_event() {
        let mut log = journey(10, SubmissionState::Queued);
        let known = ListedValue::Known { text: "55".to_owned(), digit_count: 2 };
        log.settle(|_| Some(&known), 3_000_000);
        let journey = &log.journeys[0];
        assert_eq!(journey.message(SHOWN_HOP, "event"), "");
        assert_eq!(journey.text(SHOWN_HOP, "Redis announces"), "");
        assert!(journey.outcome_text().starts_with("No event brought the value."));
    }

    #[test]
    fn what_is_unknown_is_not_made_up() {
        let mut log = JourneyLog::default();
        log.send(10, "mine".to_owned(), 0);
        assert_eq!(log.journeys[0].message(2, "{edge_seconds}"), "…");
        log.respond("mine", Err(RequestError::Unreachable), 1_000);
        assert_eq!(log.journeys[0].message(1, "request"), "");
    }
}
