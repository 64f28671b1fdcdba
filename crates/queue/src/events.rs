//! The events on the channel `results`, one JSON object each: `{"event":"value","data":{…}}`. What one script does is announced
//! in one message, an event a line: a message for each would cost Redis and every api more than the rest of a submission.
//!
//! It does not decide who hears of what: scripts and the consumer send, `subscription` receives.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What happened. The tag is the name of the server-sent event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// An index was submitted.
    Seen(contract::SubmissionEvent),
    /// A value was calculated and stored.
    Value(contract::ValueEvent),
    /// A job became a dead letter.
    #[serde(rename = "failed")]
    DeadLettered(contract::DeadLetterEvent),
}

impl Event {
    /// Reads a message of the channel. A line that is not an event of ours is `None`.
    pub fn read(message: &str) -> impl Iterator<Item = Option<Self>> {
        message.split('\n').map(|line| {
            let event = serde_json::from_str(line).ok()?;
            let is_ours =
                !matches!(&event, Self::Value(value) if contract::digit_count(&value.value).is_none());
            is_ours.then_some(event)
        })
    }

    pub(crate) fn to_message(&self) -> String {
        // Plain structs of numbers and strings have no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The time by this host's clock, in microseconds since the Unix epoch, as [`contract::Hops`] has it.
#[must_use]
pub fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
