//! The way of one's own submissions through the system, hop by hop, in measured time.
//!
//! Plain logic. Three clocks are involved: this browser's, the servers', Redis's. The servers' and Redis's are taken to agree, as
//! on one host; the browser's is brought to theirs by what must be true: a request reaches the edge after it was sent, and
//! is committed before it is answered. Times are µs since the Unix epoch, each by the clock that took it.

use std::collections::VecDeque;

use contract::{Hops, SubmissionState as State, SubmitResponse as Submitted, ValueEvent as Computed};

/// The stations of the whole way, in order: the part of the system, and what happens there.
pub const STATIONS: [(&str, &str); 9] = [
    ("Browser", "sent"),
    ("Edge", "received"),
    ("API", "checked"),
    ("Postgres", "committed"),
    ("Redis", "queued"),
    ("Worker", "taken"),
    ("Worker", "calculated"),
    ("Redis", "stored"),
    ("Browser", "shown"),
];

/// Journeys that are shown.
const SHOWN: usize = 5;

/// Results that are remembered, because a result may be here before the answer to the request.
const REMEMBERED: usize = 64;

/// One submission of this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// The index that was submitted.
    pub index: String,
    /// The id to look for in the logs.
    pub request_id: String,
    /// When the browser sent it.
    sent: u64,
    outcome: Outcome,
    result: Option<Arrived>,
    /// When its value was found in a list: where events are blocked, nobody tells of the hops.
    found: Option<u64>,
    /// Whether its value will not come by itself. It may come all the same, when an operator has it tried again.
    given_up: bool,
}

/// What became of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Sending,
    /// It was not taken, for this reason; or it is not known to be taken, because the server's answer was lost.
    Refused {
        why: String,
        lost: bool,
    },
    Answered {
        at: u64,
        state: State,
        hops: Hops,
    },
}

/// A value, and when it was here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrived {
    value: Computed,
    at: u64,
}

/// How far a journey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The answer is awaited.
    Sending,
    /// It is safe; the value is awaited.
    Waiting,
    /// The value is here.
    Arrived,
    /// It was not taken, or will not be calculated.
    Ended,
}

/// A station that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Its place in [`STATIONS`].
    pub station: usize,
    /// What happened there, when it is not the usual.
    pub other: Option<&'static str>,
    /// µs since the browser sent the request.
    pub at: u64,
}

/// The newest submissions of this page, and the results that came.
#[derive(Clone, Debug, Default)]
pub struct Journeys {
    journeys: VecDeque<Journey>,
    arrived: VecDeque<Arrived>,
}

impl Journeys {
    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Journey> {
        self.journeys.iter()
    }

    /// A request was sent.
    pub fn send(&mut self, index: String, request_id: String, now: u64) {
        self.journeys.push_front(Journey {
            index,
            request_id,
            sent: now,
            outcome: Outcome::Sending,
            result: None,
            found: None,
            given_up: false,
        });
        self.journeys.truncate(SHOWN);
    }

    /// It was answered.
    pub fn answer(&mut self, request_id: &str, answer: &Submitted, now: u64) {
        self.end(request_id, Outcome::Answered { at: now, state: answer.state, hops: answer.hops });
    }

    /// It was refused for the reason `why`, or `lost`: without an answer of the server.
    pub fn refuse(&mut self, request_id: &str, why: String, lost: bool) {
        self.end(request_id, Outcome::Refused { why, lost });
    }

    fn end(&mut self, request_id: &str, outcome: Outcome) {
        let Some(journey) = self.journeys.iter_mut().find(|journey| journey.request_id == request_id) else {
            return;
        };
        journey.outcome = outcome;
        for arrived in &self.arrived {
            journey.arrive(arrived);
        }
    }

    /// A value came, anybody's.
    pub fn arrive(&mut self, value: &Computed, now: u64) {
        let arrived = Arrived { value: value.clone(), at: now };
        for journey in &mut self.journeys {
            journey.arrive(&arrived);
        }
        self.arrived.truncate(REMEMBERED - 1);
        self.arrived.push_front(arrived);
    }
}

impl Journeys {
    /// Values came with a list; `there` says whether one did.
    pub fn find(&mut self, there: impl Fn(u32) -> bool, now: u64) {
        for journey in &mut self.journeys {
            let awaited = journey.given_up || journey.progress() == Progress::Waiting;
            if awaited && journey.result.is_none() && journey.number().is_some_and(&there) {
                journey.found.get_or_insert(now);
            }
        }
    }

    /// Values will not come by themselves; `failed` says whether one will not. What was passed until then stays measured.
    pub fn fail(&mut self, failed: impl Fn(u32) -> bool) {
        for journey in &mut self.journeys {
            if journey.progress() == Progress::Waiting && journey.number().is_some_and(&failed) {
                journey.given_up = true;
            }
        }
    }
}

impl Journey {
    /// The index as a number: `007` is 7, and a result calls it so.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.index.parse().ok()
    }

    /// The worker that calculated it.
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        self.result.as_ref().map(|arrived| arrived.value.worker.as_str())
    }

    /// Why it was not taken, as far as is known, and whether there was no answer of the server.
    #[must_use]
    pub fn refused(&self) -> Option<(&str, bool)> {
        match &self.outcome {
            Outcome::Refused { why, lost } if self.result.is_none() => Some((why, *lost)),
            _ => None,
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match (&self.outcome, &self.result) {
            (Outcome::Answered { state: State::Done, .. }, _) | (_, Some(_)) => Progress::Arrived,
            (Outcome::Refused { .. } | Outcome::Answered { state: State::DeadLettered, .. }, None) => {
                Progress::Ended
            }
            _ if self.found.is_some() => Progress::Arrived,
            _ if self.given_up => Progress::Ended,
            (Outcome::Sending, None) => Progress::Sending,
            (Outcome::Answered { .. }, None) => Progress::Waiting,
        }
    }

    /// The whole time so far: until the value was here, or the last hop that is known.
    #[must_use]
    pub fn took(&self) -> u64 {
        self.hops().last().map_or(0, |hop| hop.at)
    }

    /// The stations it has passed, in order.
    #[must_use]
    pub fn hops(&self) -> Vec<Hop> {
        let mut hops = vec![Hop { station: 0, other: None, at: 0 }];
        let (answered, state, own) = match (&self.outcome, &self.result) {
            (Outcome::Answered { at, state, hops }, _) => (*at, *state, *hops),
            // All that is known of it came with the value.
            (Outcome::Refused { .. }, Some(arrived)) => (arrived.at, State::Queued, arrived.value.hops),
            _ => return hops,
        };
        let shift = self.shift(&own, answered);
        let mut last = 0;
        let mut pass = |station: usize, other: Option<&'static str>, at: u64| {
            // A hop is never before the one it follows, however coarse a clock is.
            last = at.max(last);
            hops.push(Hop { station, other, at: last });
        };
        let here = |at: u64| at.saturating_sub(self.sent);
        let there = |at: u64| u64::try_from(at as i64 + shift - self.sent as i64).unwrap_or(0);

        if own.edge > 0 {
            pass(1, None, there(own.edge));
        }
        pass(2, None, there(own.received));
        pass(3, None, there(own.committed));
        if state == State::Done {
            pass(8, Some("at once"), here(answered));
            return hops;
        }
        let before = Some("was queued");
        let Some(Arrived { value, at }) = &self.result else {
            match state {
                State::Queued => pass(4, None, here(answered)),
                State::Pending => pass(4, before, here(answered)),
                State::Stored | State::DeadLettered | State::Done => {}
            }
            if let Some(found) = self.found {
                pass(8, Some("found listed"), here(found));
            }
            return hops;
        };
        let done = value.hops;
        if value.request_id == self.request_id {
            if done.pushed > 0 {
                pass(4, None, there(done.pushed));
            }
            if done.taken > 0 {
                pass(5, None, there(done.taken));
            }
        } else {
            // It is the job of another request for the same index.
            pass(4, before, here(answered));
        }
        pass(6, None, there(done.computed));
        pass(7, None, there(done.stored));
        pass(8, None, here(*at));
        hops
    }

    fn arrive(&mut self, arrived: &Arrived) {
        let mine = arrived.value.request_id == self.request_id;
        let awaited = match &self.outcome {
            // A result that was stored before this was committed is an older one.
            Outcome::Answered { state, hops, .. } => {
                (mine || !matches!(state, State::Queued | State::Done))
                    && arrived.value.hops.stored >= hops.committed
            }
            // The answer was lost after the commit: what is calculated for it says so.
            Outcome::Refused { .. } => mine,
            Outcome::Sending => false,
        };
        if self.result.is_none() && awaited && self.number() == Some(arrived.value.index.get()) {
            self.result = Some(arrived.clone());
        }
    }

    /// What to add to the servers' clock to have the browser's.
    fn shift(&self, own: &Hops, answered: u64) -> i64 {
        let first = if own.edge > 0 { own.edge } else { own.received };
        // The edge's clock ticks in milliseconds, and is read a little before: that much is no contradiction.
        let (low, high) = (self.sent as i64 - first as i64 - 1_000, answered as i64 - own.committed as i64);
        if low <= 0 && 0 <= high { 0 } else { low.midpoint(high) }
    }
}

#[cfg(test)]
mod tests;
