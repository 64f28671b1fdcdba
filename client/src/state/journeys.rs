//! The path of this page's own submissions through the system, hop by hop, in measured time.
//!
//! Three clocks are involved: this browser's, the servers', and Redis's. The last two are taken to
//! agree; the browser's is brought to theirs by what must be true: a request reaches the edge after
//! it was sent, and is committed before it is answered. Times are µs since the Unix epoch.

use std::collections::VecDeque;

use contract::{Hops, SubmissionState, SubmitResponse, ValueEvent};
use serde::{Deserialize, Serialize};

use crate::format;

/// A station of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// The part of the system.
    pub part: &'static str,
    /// What happens there.
    pub event: &'static str,
    /// Its colour in style.css: what the time before the station was spent on.
    pub tone: &'static str,
    /// Whether its clock has milliseconds only.
    is_coarse: bool,
}

const fn station(part: &'static str, event: &'static str, tone: &'static str) -> Station {
    Station { part, event, tone, is_coarse: false }
}

/// The stations of the whole path, in order.
pub const STATIONS: [Station; 9] = [
    station("Browser", "sent", "browser"),
    Station { is_coarse: true, ..station("Edge", "received", "edge") },
    station("API", "checked", "api"),
    station("Postgres", "committed", "postgres"),
    station("Redis", "queued", "redis"),
    station("Worker", "taken", "queue"),
    station("Worker", "calculated", "worker"),
    station("Redis", "stored", "redis"),
    station("Browser", "shown", "browser"),
];

/// Journeys that are kept.
const KEPT_JOURNEYS: usize = 5;

/// Values that are kept, because a value may arrive before the response to its request.
const KEPT_ARRIVALS: usize = 64;

/// A submission of this page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// The submitted index, as digits.
    pub index: String,
    /// The request's id, in the logs.
    pub request_id: String,
    sent: u64,
    /// When the response arrived.
    answered: u64,
    accepted: Option<SubmitResponse>,
    refusal: Option<SubmissionRefusal>,
    arrival: Option<ValueArrival>,
    /// When its value was found in a list. Where events are blocked, nobody tells of the hops.
    found: Option<u64>,
    is_dead_lettered: bool,
}

/// Why a submission was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionRefusal {
    /// In words.
    pub why: String,
    /// Whether it may have been accepted all the same: the server has not answered.
    pub is_unanswered: bool,
    /// The place in [`STATIONS`] that it did not pass.
    pub stopped_at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ValueArrival {
    value: ValueEvent,
    at: u64,
}

/// How far a journey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyStatus {
    /// The response is awaited.
    Sending,
    /// It is committed; the value is awaited.
    Waiting,
    /// The value is here.
    Arrived,
    /// It was refused, or its job is a dead letter.
    Stopped,
}

/// A station that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedStation {
    /// Its place in [`STATIONS`].
    pub station: usize,
    /// What happened there, when it is not the usual.
    pub unusual: Option<&'static str>,
    /// µs since the browser sent the request.
    pub at: u64,
}

/// The newest submissions of this page, and the newest values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyLog {
    journeys: VecDeque<Journey>,
    #[serde(skip)]
    arrivals: VecDeque<ValueArrival>,
}

impl JourneyLog {
    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Journey> {
        self.journeys.iter()
    }

    /// The journey of a request.
    pub fn get(&self, request_id: &str) -> Option<&Journey> {
        self.iter().find(|journey| journey.request_id == request_id)
    }

    /// The event of a value that was calculated while the page was open.
    pub fn calculation_of(&self, index: u32) -> Option<&ValueEvent> {
        let own = self.journeys.iter().filter_map(|journey| journey.arrival.as_ref());
        own.chain(&self.arrivals).map(|arrival| &arrival.value).find(|value| value.index.get() == index)
    }

    /// Ends the journeys whose response can no longer come, because the page was loaded again.
    pub fn reloaded(mut self) -> Self {
        for journey in &mut self.journeys {
            if journey.status() == JourneyStatus::Sending {
                let why = "The page was reloaded before the response arrived.".to_owned();
                journey.refusal = Some(SubmissionRefusal { why, is_unanswered: true, stopped_at: 1 });
            }
        }
        self
    }

    /// A request was sent.
    pub fn send(&mut self, index: String, request_id: String, now: u64) {
        self.journeys.push_front(Journey {
            index,
            request_id,
            sent: now,
            answered: 0,
            accepted: None,
            refusal: None,
            arrival: None,
            found: None,
            is_dead_lettered: false,
        });
        self.journeys.truncate(KEPT_JOURNEYS);
    }

    /// A request was accepted.
    pub fn accept(&mut self, request_id: &str, response: &SubmitResponse, now: u64) {
        self.respond(request_id, |journey| {
            journey.answered = now;
            journey.accepted = Some(response.clone());
        });
    }

    /// A request was refused, or not answered.
    pub fn refuse(&mut self, request_id: &str, refusal: SubmissionRefusal) {
        self.respond(request_id, |journey| journey.refusal = Some(refusal));
    }

    fn respond(&mut self, request_id: &str, change: impl FnOnce(&mut Journey)) {
        if let Some(journey) = self.journeys.iter_mut().find(|journey| journey.request_id == request_id) {
            change(journey);
            for arrival in &self.arrivals {
                journey.arrive(arrival);
            }
        }
    }

    /// A value arrived, of anybody's submission. Returns whether a journey waited for it.
    pub fn arrive(&mut self, value: &ValueEvent, now: u64) -> bool {
        let arrival = ValueArrival { value: value.clone(), at: now };
        let mut is_awaited = false;
        for journey in &mut self.journeys {
            is_awaited |= journey.arrive(&arrival);
        }
        self.arrivals.truncate(KEPT_ARRIVALS - 1);
        self.arrivals.push_front(arrival);
        is_awaited
    }

    /// The lists were fetched; `is_known` says whether they have a value.
    pub fn find(&mut self, is_known: impl Fn(u32) -> bool, now: u64) {
        for journey in &mut self.journeys {
            let is_awaited = journey.is_dead_lettered || journey.status() == JourneyStatus::Waiting;
            if is_awaited && journey.arrival.is_none() && journey.number().is_some_and(&is_known) {
                journey.found.get_or_insert(now);
            }
        }
    }

    /// Jobs became dead letters. The stations passed until then stay.
    pub fn dead_letter(&mut self, is_dead_letter: impl Fn(u32) -> bool) {
        for journey in &mut self.journeys {
            if journey.status() == JourneyStatus::Waiting && journey.number().is_some_and(&is_dead_letter) {
                journey.is_dead_lettered = true;
            }
        }
    }
}

impl Journey {
    /// The index as a number: `007` is 7.
    pub fn number(&self) -> Option<u32> {
        self.index.parse().ok()
    }

    /// The worker that calculated the value.
    pub fn worker(&self) -> Option<&str> {
        self.arrival.as_ref().map(|arrival| arrival.value.worker.as_str())
    }

    /// Why it was not accepted, as far as is known.
    pub fn refusal(&self) -> Option<&SubmissionRefusal> {
        self.refusal.as_ref().filter(|_| self.arrival.is_none())
    }

    /// Why no job was queued for it.
    pub fn note(&self) -> Option<&'static str> {
        match self.accepted.as_ref()?.state {
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

    /// How far it is.
    pub fn status(&self) -> JourneyStatus {
        let state = self.accepted.as_ref().map(|response| response.state);
        match state {
            _ if self.arrival.is_some() => JourneyStatus::Arrived,
            Some(SubmissionState::Done) => JourneyStatus::Arrived,
            Some(SubmissionState::DeadLettered) => JourneyStatus::Stopped,
            _ if self.refusal.is_some() => JourneyStatus::Stopped,
            _ if self.found.is_some() => JourneyStatus::Arrived,
            _ if self.is_dead_lettered => JourneyStatus::Stopped,
            None => JourneyStatus::Sending,
            Some(_) => JourneyStatus::Waiting,
        }
    }

    /// The time until the value was here, or until the last known hop.
    pub fn total(&self) -> u64 {
        self.passed().last().map_or(0, |hop| hop.at)
    }

    /// The stations it has passed, in order.
    pub fn passed(&self) -> Vec<PassedStation> {
        let mut passed = vec![PassedStation { station: 0, unusual: None, at: 0 }];
        let (answered, state, own) = match (&self.accepted, &self.refusal, &self.arrival) {
            (Some(response), ..) => (self.answered, response.state, response.hops),
            // All that is known came with the value.
            (None, Some(_), Some(arrival)) => (arrival.at, SubmissionState::Queued, arrival.value.hops),
            _ => return passed,
        };
        let shift = self.clock_shift(&own, answered);
        let mut last = 0;
        let mut pass = |station: usize, unusual: Option<&'static str>, at: u64| {
            // A hop is never before the previous one, however coarse a clock is.
            last = at.max(last);
            passed.push(PassedStation { station, unusual, at: last });
        };
        let here = |at: u64| at.saturating_sub(self.sent);
        let there = |at: u64| u64::try_from(at as i64 + shift - self.sent as i64).unwrap_or(0);

        if own.edge > 0 {
            pass(1, None, there(own.edge));
        }
        pass(2, None, there(own.received));
        pass(3, None, there(own.committed));
        if state == SubmissionState::Done {
            pass(8, Some("at once"), here(answered));
            return passed;
        }
        let before = Some("was queued");
        let Some(ValueArrival { value, at }) = &self.arrival else {
            match state {
                SubmissionState::Queued => pass(4, None, here(answered)),
                SubmissionState::Pending => pass(4, before, here(answered)),
                SubmissionState::Stored | SubmissionState::DeadLettered | SubmissionState::Done => {}
            }
            if let Some(found) = self.found {
                pass(8, Some("found listed"), here(found));
            }
            return passed;
        };
        if value.request_id == self.request_id {
            if value.hops.pushed > 0 {
                pass(4, None, there(value.hops.pushed));
            }
            if value.hops.taken > 0 {
                pass(5, None, there(value.hops.taken));
            }
        } else {
            // The job came from another request for the same index.
            pass(4, before, here(answered));
        }
        pass(6, None, there(value.hops.computed));
        pass(7, None, there(value.hops.stored));
        pass(8, None, here(*at));
        passed
    }

    fn arrive(&mut self, arrival: &ValueArrival) -> bool {
        let is_own = arrival.value.request_id == self.request_id;
        let is_awaited = match &self.accepted {
            // A value that was stored before this commit is an older one.
            Some(response) => {
                (is_own || !matches!(response.state, SubmissionState::Queued | SubmissionState::Done))
                    && arrival.value.hops.stored >= response.hops.committed
            }
            // The response was lost after the commit: the value has this request's id.
            None => self.refusal.is_some() && is_own,
        };
        if self.arrival.is_some() || !is_awaited || self.number() != Some(arrival.value.index.get()) {
            return false;
        }
        self.arrival = Some(arrival.clone());
        true
    }

    /// What to add to the servers' clock to have the browser's.
    fn clock_shift(&self, own: &Hops, answered: u64) -> i64 {
        let first = if own.edge > 0 { own.edge } else { own.received };
        // The edge's clock has milliseconds, and is read a little early: that much is no contradiction.
        let (low, high) = (self.sent as i64 - first as i64 - 1_000, answered as i64 - own.committed as i64);
        if low <= 0 && 0 <= high { 0 } else { low.midpoint(high) }
    }
}

impl PassedStation {
    /// The time since the hop before, with the digits that both clocks have.
    pub fn duration_since(&self, before: Option<&Self>) -> String {
        let Some(before) = before else { return "0 ms".to_owned() };
        let is_coarse = STATIONS[before.station].is_coarse || STATIONS[self.station].is_coarse;
        let micros = self.at - before.at;
        if is_coarse { format::coarse_duration(micros) } else { format::duration(micros) }
    }
}

#[cfg(test)]
mod tests;
