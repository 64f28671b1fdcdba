//! The path of this page's own submissions through the system, hop by hop, in measured time.
//!
//! Three clocks are involved: this browser's, the servers', and Redis's. The last two are taken to
//! agree; the browser's is brought to theirs by what must be true: a request reaches the edge after
//! it was sent, and is committed before it is answered. Times are µs since the Unix epoch.

use std::collections::VecDeque;

use contract::{Hops, SubmissionState, SubmitResponse, ValueEvent};
use serde::{Deserialize, Serialize};

use super::lists::{ListChange, ListedValue};
use crate::api::RequestError;
use crate::format;

/// The stations of the whole path, in order: the part of the system, what happens there, and the
/// colour in style.css of the time that was spent before.
pub(crate) const STATIONS: [(&str, &str, &str); 9] = [
    ("Browser", "sent", "browser"),
    ("Edge", "received", "edge"),
    ("API", "checked", "api"),
    ("Postgres", "committed", "postgres"),
    ("Redis", "queued", "redis"),
    ("Worker", "taken", "queue"),
    ("Worker", "calculated", "worker"),
    ("Redis", "stored", "redis"),
    ("Browser", "shown", "browser"),
];

/// The station whose clock has milliseconds only.
const EDGE: usize = 1;

const KEPT_JOURNEYS: usize = 5;

/// Values that are kept, for the chart of times, and because a value may arrive before the response
/// to its request.
pub(crate) const KEPT_ARRIVALS: usize = 60;

/// A submission of this page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journey {
    pub(crate) index: u32,
    /// The request's id, in the logs.
    pub(crate) request_id: String,
    sent: u64,
    /// When the response arrived.
    answered: u64,
    response: Option<Result<SubmitResponse, RequestError>>,
    arrival: Option<ValueArrival>,
    /// When its value was found in a list. Where events are blocked, nobody tells of the hops.
    found: Option<u64>,
    is_dead_lettered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ValueArrival {
    value: ValueEvent,
    at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JourneyStatus {
    /// The response is awaited.
    Sending,
    /// It is committed; the value is awaited.
    Waiting,
    Arrived,
    /// It was refused, or its job is a dead letter.
    Stopped,
}

/// A station that was passed.
#[derive(Debug)]
pub(crate) struct PassedStation {
    /// Its place in [`STATIONS`].
    pub(crate) place: usize,
    pub(crate) event: &'static str,
    /// µs since the browser sent the request.
    pub(crate) at: u64,
}

/// The newest submissions of this page, newest first, and the newest values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyLog {
    pub(crate) journeys: VecDeque<Journey>,
    #[serde(skip)]
    arrivals: VecDeque<ValueArrival>,
    /// The number of the oldest of them.
    #[serde(skip)]
    first_arrival: u32,
}

impl JourneyLog {
    /// The event of a value that was calculated while the page was open.
    pub(crate) fn calculation_of(&self, index: u32) -> Option<&ValueEvent> {
        let own = self.journeys.iter().filter_map(|journey| journey.arrival.as_ref());
        own.chain(&self.arrivals)
            .map(|arrival| &arrival.value)
            .find(|value| value.index.get() == index)
    }

    /// The newest calculations, the newest last: the number of each by its arrival, its index, and
    /// its time in µs from the api's reading of the request to the stored value. One that an
    /// original server started has no times.
    pub(crate) fn calculation_times(&self) -> Vec<(u32, u32, u64)> {
        let time = |(number, arrival): (u32, &ValueArrival)| {
            let Hops { received, stored, .. } = arrival.value.hops;
            let micros = stored.checked_sub(received).filter(|_| received > 0)?;
            Some((number, arrival.value.index.get(), micros))
        };
        (self.first_arrival..).zip(self.arrivals.iter().rev()).filter_map(time).collect()
    }

    /// Ends the journeys whose response can no longer come, because the page was loaded again.
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
        self.journeys.push_front(Journey { index, request_id, sent: now, ..Journey::default() });
        self.journeys.truncate(KEPT_JOURNEYS);
    }

    /// The response to a request arrived, or none will.
    pub(crate) fn respond(
        &mut self,
        request_id: &str,
        response: Result<SubmitResponse, RequestError>,
        now: u64,
    ) {
        if let Some(journey) =
            self.journeys.iter_mut().find(|journey| journey.request_id == request_id)
        {
            (journey.response, journey.answered) = (Some(response), now);
            self.arrivals.iter().for_each(|arrival| journey.arrive(arrival));
        }
    }

    /// Applies an event of anybody's submission. Returns whether the log may have changed.
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

    /// Ends the journeys of indices that are listed as known or dead-lettered. The stations passed
    /// until then stay.
    pub(crate) fn settle<'a>(&mut self, listed: impl Fn(u32) -> Option<&'a ListedValue>, now: u64) {
        for journey in &mut self.journeys {
            let is_waiting = journey.status() == JourneyStatus::Waiting;
            match listed(journey.index) {
                Some(ListedValue::Known { .. }) if is_waiting || journey.is_dead_lettered => {
                    journey.found.get_or_insert(now);
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

    /// Why it was not accepted, as far as is known.
    pub(crate) fn refusal(&self) -> Option<&RequestError> {
        self.response.as_ref()?.as_ref().err().filter(|_| self.arrival.is_none())
    }

    /// The place in [`STATIONS`] that a refused one did not pass.
    pub(crate) fn stopped_at(&self) -> Option<usize> {
        // Without a response it did not reach the edge; this status is the edge's own.
        Some(if matches!(self.refusal()?.status(), None | Some(429)) { EDGE } else { EDGE + 1 })
    }

    /// Why no job was queued for it.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self.response.as_ref()?.as_ref().ok()?.state {
            SubmissionState::Done => Some("Nothing was queued: this value was calculated before."),
            SubmissionState::Pending => {
                Some("Nothing was queued: a job for this index is in the queue already.")
            }
            SubmissionState::Stored if self.arrival.is_none() => {
                Some("Saved in Postgres; it is queued as soon as Redis takes it.")
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
            _ if self.found.is_some() => JourneyStatus::Arrived,
            _ if self.is_dead_lettered => JourneyStatus::Stopped,
            None => JourneyStatus::Sending,
            Some(Ok(_)) => JourneyStatus::Waiting,
        }
    }

    /// The stations it has passed, in order.
    pub(crate) fn passed(&self) -> Vec<PassedStation> {
        let (answered, state, own) = match (&self.response, &self.arrival) {
            (Some(Ok(response)), _) => (self.answered, response.state, response.hops),
            // All that is known came with the value.
            (Some(Err(_)), Some(arrival)) => {
                (arrival.at, SubmissionState::Queued, arrival.value.hops)
            }
            _ => return vec![PassedStation { place: 0, event: STATIONS[0].1, at: 0 }],
        };
        let shift = self.clock_shift(&own, answered);
        let here = |at: u64| Some(at.saturating_sub(self.sent));
        let after_sending =
            |at: u64| u64::try_from(at as i64 + shift - self.sent as i64).unwrap_or(0);
        let there = |at: u64| (at > 0).then(|| after_sending(at));

        let mut hops = vec![
            (0, "sent", Some(0)),
            (1, "received", there(own.edge)),
            (2, "checked", there(own.received)),
            (3, "committed", there(own.committed)),
        ];
        match (state, &self.arrival) {
            (SubmissionState::Done, _) => hops.push((8, "at once", here(answered))),
            (_, Some(ValueArrival { value: ValueEvent { request_id, hops: job, .. }, at })) => {
                if *request_id == self.request_id {
                    hops.extend([(4, "queued", there(job.pushed)), (5, "taken", there(job.taken))]);
                } else {
                    // The job came from another request for the same index.
                    hops.push((4, "was queued", here(answered)));
                }
                hops.push((6, "calculated", there(job.computed)));
                hops.push((7, "stored", there(job.stored)));
                hops.push((8, "shown", here(*at)));
            }
            (_, None) => {
                match state {
                    SubmissionState::Queued => hops.push((4, "queued", here(answered))),
                    SubmissionState::Pending => hops.push((4, "was queued", here(answered))),
                    _ => {}
                }
                hops.push((8, "found listed", self.found.and_then(here)));
            }
        }
        let mut last = 0;
        let passed = hops.into_iter().filter_map(|(place, event, at)| {
            // A hop is never before the previous one, however coarse a clock is.
            last = last.max(at?);
            Some(PassedStation { place, event, at: last })
        });
        passed.collect()
    }

    fn arrive(&mut self, arrival: &ValueArrival) {
        let is_own = arrival.value.request_id == self.request_id;
        let is_awaited = match &self.response {
            // A value that was stored before this commit is an older one.
            Some(Ok(response)) => {
                (is_own
                    || !matches!(response.state, SubmissionState::Queued | SubmissionState::Done))
                    && arrival.value.hops.stored >= response.hops.committed
            }
            // The response was lost after the commit: the value has this request's id.
            Some(Err(_)) => is_own,
            None => false,
        };
        if is_awaited && self.index == arrival.value.index.get() {
            self.arrival.get_or_insert_with(|| arrival.clone());
        }
    }

    /// What to add to the servers' clock to have the browser's.
    fn clock_shift(&self, own: &Hops, answered: u64) -> i64 {
        let first = if own.edge > 0 { own.edge } else { own.received };
        // The edge's clock has milliseconds, and is read a little early: that much is no
        // contradiction.
        let (low, high) =
            (self.sent as i64 - first as i64 - 1_000, answered as i64 - own.committed as i64);
        if low <= 0 && 0 <= high { 0 } else { low.midpoint(high) }
    }
}

impl PassedStation {
    /// The time since the station before, with the digits that both clocks have.
    pub(crate) fn duration_since(&self, before: &Self) -> String {
        let micros = self.at - before.at;
        if [before.place, self.place].contains(&EDGE) {
            format::coarse_duration(micros)
        } else {
            format::duration(micros)
        }
    }
}

#[cfg(test)]
mod tests;
