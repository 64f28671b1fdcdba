//! The journeys of the submissions made on this page. A journey is the timeline of one submission:
//! the time of each hop through the system and back.
//!
//! The times come from three clocks: those of the browser, of the servers and of Redis. The code
//! assumes that servers and Redis agree. It shifts their times to the browser's clock by what must
//! be true: a request reaches the edge after it was sent, and is committed before the response
//! arrives. Times are µs since the Unix epoch.

mod replay;

use std::collections::VecDeque;

use contract::{Hops, SubmissionState, SubmitResponse, ValueEvent};
use serde::{Deserialize, Serialize};

use super::lists::{ListChange, ListedValue};
use crate::api::RequestError;
use crate::format;

/// A hop of a journey.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    /// The part of the system.
    pub(crate) part: &'static str,
    /// What happens there.
    pub(crate) event: &'static str,
    /// The colour of the time since the previous hop: `data-tone` in style.css.
    pub(crate) tone: &'static str,
}

const fn hop(part: &'static str, event: &'static str, tone: &'static str) -> Hop {
    Hop { part, event, tone }
}

/// All hops of a journey, in order.
pub(crate) const JOURNEY_HOPS: [Hop; 9] = [
    hop("Browser", "sent", "browser"),
    hop("Edge", "received", "edge"),
    hop("API", "checked", "api"),
    hop("Postgres", "committed", "postgres"),
    hop("Redis", "queued", "redis"),
    hop("Worker", "taken", "queue"),
    hop("Worker", "calculated", "worker"),
    hop("Redis", "stored", "redis"),
    hop("Browser", "shown", "browser"),
];

/// Position of the edge in [`JOURNEY_HOPS`]. Its clock has a resolution of 1 ms.
const EDGE: usize = 1;

const KEPT_JOURNEYS: usize = 5;

/// Number of values that are kept for the chart of times. The log also needs them because a value
/// may arrive before the response to its request.
pub(crate) const KEPT_ARRIVALS: usize = 60;

/// The timeline of a submission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journey {
    pub(crate) index: u32,
    /// The id by which the logs of all services find the request.
    pub(crate) request_id: String,
    sent_at: u64,
    /// When the response arrived; 0 before.
    responded_at: u64,
    response: Option<Result<SubmitResponse, RequestError>>,
    arrival: Option<ValueArrival>,
    /// When its value was in a fetched list. Without an event, the times of the hops are unknown.
    found_at: Option<u64>,
    is_dead_lettered: bool,
}

/// The event of a value, and when it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ValueArrival {
    value: ValueEvent,
    at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JourneyStatus {
    /// The response has not arrived yet.
    Sending,
    /// The submission is committed, and its value has not arrived yet.
    Waiting,
    /// The value is known.
    Arrived,
    /// The submission was refused, or its job is a dead letter.
    Stopped,
}

/// A hop that a journey has passed.
#[derive(Debug)]
pub(crate) struct PassedHop {
    /// Position in [`JOURNEY_HOPS`].
    pub(crate) hop: usize,
    /// What happened, which may differ from the usual event of this hop.
    pub(crate) event: &'static str,
    /// Time in µs since the browser sent the request.
    pub(crate) at: u64,
}

/// A calculation for the chart of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CalculationTime {
    /// Counts the values that have arrived since the page was opened.
    pub(crate) number: u32,
    pub(crate) index: u32,
    /// Time in µs from the arrival of the request at the api to the stored value.
    pub(crate) micros: u64,
}

/// The newest journeys of this page and the newest values of anybody, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyLog {
    pub(crate) journeys: VecDeque<Journey>,
    #[serde(skip)]
    arrivals: VecDeque<ValueArrival>,
    /// The number of the oldest arrival.
    #[serde(skip)]
    first_arrival: u32,
}

impl JourneyLog {
    /// The event of a value, if it was calculated while this page was open.
    pub(crate) fn calculation_of(&self, index: u32) -> Option<&ValueEvent> {
        let own = self.journeys.iter().filter_map(|journey| journey.arrival.as_ref());
        own.chain(&self.arrivals)
            .map(|arrival| &arrival.value)
            .find(|value| value.index.get() == index)
    }

    /// The newest calculations, the newest last.
    pub(crate) fn calculation_times(&self) -> Vec<CalculationTime> {
        let time = |(number, arrival): (u32, &ValueArrival)| {
            let Hops { received, stored, .. } = arrival.value.hops;
            // A job from an original server has no times.
            let micros = stored.checked_sub(received).filter(|_| received > 0)?;
            Some(CalculationTime { number, index: arrival.value.index.get(), micros })
        };
        (self.first_arrival..).zip(self.arrivals.iter().rev()).filter_map(time).collect()
    }

    /// Ends the journeys that had no response when the page was reloaded.
    pub(crate) fn reloaded(mut self) -> Self {
        for journey in &mut self.journeys {
            journey.response.get_or_insert(Err(RequestError::Reloaded));
        }
        self
    }

    pub(crate) fn is_sending(&self, index: u32) -> bool {
        let mut same = self.journeys.iter().filter(|journey| journey.index == index);
        same.any(|journey| journey.status() == JourneyStatus::Sending)
    }

    pub(crate) fn send(&mut self, index: u32, request_id: String, now: u64) {
        self.journeys.push_front(Journey { index, request_id, sent_at: now, ..Journey::default() });
        self.journeys.truncate(KEPT_JOURNEYS);
    }

    /// Applies the response to a request, or the error that came instead.
    pub(crate) fn respond(
        &mut self,
        request_id: &str,
        response: Result<SubmitResponse, RequestError>,
        now: u64,
    ) {
        if let Some(journey) =
            self.journeys.iter_mut().find(|journey| journey.request_id == request_id)
        {
            (journey.response, journey.responded_at) = (Some(response), now);
            self.arrivals.iter().for_each(|arrival| journey.arrive(arrival));
        }
    }

    /// Applies an event. Returns whether the log may have changed.
    pub(crate) fn apply(&mut self, event: &ListChange, now: u64) -> bool {
        match event {
            ListChange::Calculated(value) => self.arrive(value, now),
            ListChange::DeadLettered(job) => {
                let listed =
                    |index| (index == job.index.get()).then_some(&ListedValue::DeadLettered);
                self.settle(listed, now);
            }
            ListChange::Submitted(_) | ListChange::Accepted(_) => return false,
        }
        true
    }

    fn arrive(&mut self, value: &ValueEvent, now: u64) {
        let arrival = ValueArrival { value: value.clone(), at: now };
        self.journeys.iter_mut().for_each(|journey| journey.arrive(&arrival));
        self.arrivals.push_front(arrival);
        if self.arrivals.len() > KEPT_ARRIVALS {
            self.arrivals.pop_back();
            self.first_arrival += 1;
        }
    }

    /// Ends the journeys whose value is known or dead-lettered in a list. Their passed hops stay.
    pub(crate) fn settle<'a>(&mut self, listed: impl Fn(u32) -> Option<&'a ListedValue>, now: u64) {
        for journey in &mut self.journeys {
            let is_waiting = journey.status() == JourneyStatus::Waiting;
            match listed(journey.index) {
                Some(ListedValue::Known { .. }) if is_waiting || journey.is_dead_lettered => {
                    journey.found_at.get_or_insert(now);
                }
                Some(ListedValue::DeadLettered) if is_waiting => journey.is_dead_lettered = true,
                _ => {}
            }
        }
    }
}

impl Journey {
    pub(crate) fn worker(&self) -> Option<&str> {
        self.arrival.as_ref().map(|arrival| arrival.value.worker.as_str())
    }

    /// Why the submission was not accepted. `None` if its value arrived all the same.
    pub(crate) fn refusal(&self) -> Option<&RequestError> {
        self.response.as_ref()?.as_ref().err().filter(|_| self.arrival.is_none())
    }

    /// The hop, as a position in [`JOURNEY_HOPS`], at which a refused submission stopped.
    pub(crate) fn stopped_at(&self) -> Option<usize> {
        // Without a response, it is assumed not to have reached the edge. 429 is the edge's rate
        // limit.
        Some(if matches!(self.refusal()?.status(), None | Some(429)) { EDGE } else { EDGE + 1 })
    }

    /// Why no job was queued for it.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self.response.as_ref()?.as_ref().ok()?.state {
            SubmissionState::Done => Some("Nothing was queued: this value was calculated before."),
            SubmissionState::Pending => {
                Some("Nothing was queued: a job for this index is in the queue already.")
            }
            SubmissionState::Stored if self.status() == JourneyStatus::Waiting => {
                Some("Saved in Postgres; it is queued as soon as Redis accepts it.")
            }
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> JourneyStatus {
        let state =
            self.response.as_ref().map(|response| response.as_ref().map(|response| response.state));
        match state {
            _ if self.arrival.is_some() => JourneyStatus::Arrived,
            Some(Ok(SubmissionState::Done)) => JourneyStatus::Arrived,
            Some(Ok(SubmissionState::DeadLettered) | Err(_)) => JourneyStatus::Stopped,
            _ if self.found_at.is_some() => JourneyStatus::Arrived,
            _ if self.is_dead_lettered => JourneyStatus::Stopped,
            None => JourneyStatus::Sending,
            Some(Ok(_)) => JourneyStatus::Waiting,
        }
    }

    /// The hops that the journey has passed, in order.
    pub(crate) fn passed(&self) -> Vec<PassedHop> {
        let (responded_at, state, own) = match (&self.response, &self.arrival) {
            (Some(Ok(response)), _) => (self.responded_at, response.state, response.hops),
            // Without a response, the times come from the event of the value.
            (Some(Err(_)), Some(arrival)) => {
                (arrival.at, SubmissionState::Queued, arrival.value.hops)
            }
            _ => return vec![PassedHop { hop: 0, event: JOURNEY_HOPS[0].event, at: 0 }],
        };
        let shift = self.clock_shift(&own, responded_at);
        // Both closures take a time by one clock, and return the time since the request was sent.
        let by_browser = |at: u64| Some(at.saturating_sub(self.sent_at));
        let by_server = |at: u64| {
            let since_sent = at as i64 + shift - self.sent_at as i64;
            (at > 0).then(|| u64::try_from(since_sent).unwrap_or(0))
        };

        let mut hops = vec![
            (0, "sent", Some(0)),
            (1, "received", by_server(own.edge)),
            (2, "checked", by_server(own.received)),
            (3, "committed", by_server(own.committed)),
        ];
        match (state, &self.arrival) {
            (SubmissionState::Done, _) => hops.push((8, "at once", by_browser(responded_at))),
            (_, Some(ValueArrival { value: ValueEvent { request_id, hops: job, .. }, at })) => {
                // After an outage, the job of a stored submission has another request id.
                if *request_id == self.request_id || state == SubmissionState::Stored {
                    hops.push((4, "queued", by_server(job.pushed)));
                    hops.push((5, "taken", by_server(job.taken)));
                } else {
                    // The job came from another request for the same index.
                    hops.push((4, "was queued", by_browser(responded_at)));
                }
                hops.push((6, "calculated", by_server(job.computed)));
                hops.push((7, "stored", by_server(job.stored)));
                hops.push((8, "shown", by_browser(*at)));
            }
            (_, None) => {
                match state {
                    SubmissionState::Queued => hops.push((4, "queued", by_browser(responded_at))),
                    SubmissionState::Pending => {
                        hops.push((4, "was queued", by_browser(responded_at)));
                    }
                    _ => {}
                }
                hops.push((8, "found listed", self.found_at.and_then(by_browser)));
            }
        }
        let mut last = 0;
        let passed = hops.into_iter().filter_map(|(hop, event, at)| {
            // No hop is before the previous one, although clocks are coarse.
            last = last.max(at?);
            Some(PassedHop { hop, event, at: last })
        });
        passed.collect()
    }

    /// Keeps the value if it belongs to this submission.
    fn arrive(&mut self, arrival: &ValueArrival) {
        let is_own = arrival.value.request_id == self.request_id;
        let is_awaited = match &self.response {
            // A value that was stored before this commit belongs to an earlier submission.
            Some(Ok(response)) => {
                (is_own
                    || !matches!(response.state, SubmissionState::Queued | SubmissionState::Done))
                    && arrival.value.hops.stored >= response.hops.committed
            }
            // If the response was lost after the commit, the value has the id of this request.
            Some(Err(_)) => is_own,
            None => false,
        };
        if is_awaited && self.index == arrival.value.index.get() {
            self.arrival.get_or_insert_with(|| arrival.clone());
        }
    }

    /// The number of µs to add to a time of the servers to get a time of the browser: 0 if that is
    /// possible, otherwise the middle of the possible range.
    fn clock_shift(&self, own: &Hops, responded_at: u64) -> i64 {
        let first = if own.edge > 0 { own.edge } else { own.received };
        // The edge's clock has a resolution of 1 ms and is read a little early, so 1 ms is
        // tolerated.
        let least = self.sent_at as i64 - first as i64 - 1_000;
        let most = responded_at as i64 - own.committed as i64;
        if least <= 0 && 0 <= most { 0 } else { least.midpoint(most) }
    }
}

impl PassedHop {
    /// The time since the previous hop, with no more digits than the coarser of both clocks has.
    pub(crate) fn duration_since(&self, previous: &Self) -> String {
        let micros = self.at - previous.at;
        if [previous.hop, self.hop].contains(&EDGE) {
            format::coarse_duration(micros)
        } else {
            format::duration(micros)
        }
    }
}

#[cfg(test)]
mod tests;
