//! Events on the channel `results`: JSON objects such as `{"event":"value","data":{…}}`.
//!
//! A script publishes all its events in one message, one event per line. One message per event
//! would cost Redis and every api more than the rest of a submission.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::{DeadLetterEvent, Hops, SubmissionEvent, ValueEvent};
use serde::{Deserialize, Serialize};

/// An event on the channel `results`. Its tag is the name of the server-sent event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum QueueEvent {
    /// An index was submitted.
    #[serde(rename = "seen")]
    Submitted(SubmissionEvent),
    /// A value was calculated.
    Value(ValueEvent),
    /// A job became a dead letter.
    #[serde(rename = "failed")]
    DeadLettered(DeadLetterEvent),
}

/// The end of a [`QueueEvent::Value`], after `hops.stored`.
pub(crate) const VALUE_EVENT_END: &str = "}}}";

impl QueueEvent {
    /// Parses a message of the channel. Yields `None` for each line that is not a valid event.
    pub fn parse(message: &str) -> impl Iterator<Item = Option<Self>> {
        message.split('\n').map(|line| {
            let event = serde_json::from_str(line).ok()?;
            let is_valid = match &event {
                Self::Value(value) => contract::digit_count(&value.value).is_some(),
                Self::Submitted(_) | Self::DeadLettered(_) => true,
            };
            is_valid.then_some(event)
        })
    }

    pub(crate) fn to_json(&self) -> String {
        // Plain structs of numbers and strings cannot fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The JSON of a [`QueueEvent::Value`] up to its last number, `hops.stored`. `complete.lua` takes
/// that time, and appends it and [`VALUE_EVENT_END`].
pub(crate) fn value_event_start(event: ValueEvent) -> String {
    const NOT_STORED: &str = "0";
    let hops = Hops { stored: 0, ..event.hops };
    let mut json = QueueEvent::Value(ValueEvent { hops, ..event }).to_json();
    json.truncate(json.len().saturating_sub(NOT_STORED.len() + VALUE_EVENT_END.len()));
    json
}

/// This host's time in microseconds since the Unix epoch, as in [`contract::Hops`].
#[must_use]
pub fn now_micros() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_the_time_and_the_end_completes_a_value_event() {
        let mut event = ValueEvent {
            index: contract::Index::parse("10", contract::Index::LARGEST).unwrap(),
            value: "55".to_owned(),
            digits: 2,
            request_id: r#""stored":0}}}"#.to_owned(),
            worker: "worker".to_owned(),
            hops: Hops { computed: 6, ..Hops::default() },
        };
        let message = format!("{}7{VALUE_EVENT_END}", value_event_start(event.clone()));
        event.hops.stored = 7;
        assert_eq!(
            QueueEvent::parse(&message).collect::<Vec<_>>(),
            [Some(QueueEvent::Value(event))]
        );
    }
}
