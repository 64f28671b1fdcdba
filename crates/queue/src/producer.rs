//! Putting indices into the queue: the server for what was submitted, the worker for what an original server
//! announced.
//!
//! A late placeholder never overwrites a result, and an index is in the queue at most once, however often and
//! from wherever it is put there: `enqueue.lua` decides that in one step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::{Index, PENDING, SubmissionState, WHOLE_DIGITS};

use crate::keys::{CURRENT_VALUES, INSERT, RESULTS};
use crate::{Error, Event, Redis, scripts};

/// Indices of which one script makes sure: Redis does nothing else meanwhile, and Lua's stack has an end.
const PAGE: usize = 500;

/// Puts indices into the queue. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    redis: Redis,
    /// Jobs the queue holds at most.
    room: usize,
    /// Jobs in the queue, as of Redis's last answer.
    waiting: Arc<AtomicU64>,
}

/// An index to put into the queue.
#[derive(Clone, Debug)]
pub struct Request {
    /// The index.
    pub index: Index,
    /// The newest submission of it; 0 when it was not submitted here.
    pub id: i64,
    /// The request to name in logs and events.
    pub request_id: String,
    /// When the server had read the request, in µs since the Unix epoch.
    pub received: u64,
    /// When Postgres had committed it, likewise.
    pub committed: u64,
}

/// What became of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// How far the index's value is. [`SubmissionState::Stored`] when the queue had no room.
    pub state: SubmissionState,
    /// Its value as lists show it, when [`SubmissionState::Done`].
    pub value: Option<String>,
}

#[derive(Clone, Copy)]
enum Mode {
    Submit,
    Ensure,
    Adopt,
    Demand,
}

impl Producer {
    /// A producer for a queue of at most `room` jobs.
    #[must_use]
    pub fn new(redis: Redis, room: usize) -> Self {
        Self { redis, room, waiting: Arc::default() }
    }

    /// Jobs in the queue as Redis last said, to this producer or to whoever called [`Self::note_waiting`].
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Redis has said how many jobs are in the queue.
    pub fn note_waiting(&self, jobs: u64) {
        self.waiting.store(jobs, Ordering::Relaxed);
    }

    /// Lists the indices and queues those whose value is not known. `announce` tells every open page that they
    /// were submitted, which is wanted once for each submission and not when it is only repeated.
    /// The answers are in the order of `requests`.
    ///
    /// # Errors
    /// [`Error`]; then nothing, everything, or what comes first was done, and it may be repeated.
    pub async fn submit(&self, requests: &[Request], announce: bool) -> Result<Vec<Enqueued>, Error> {
        self.enqueue(Mode::Submit, requests, announce).await
    }

    /// Queues indices that were submitted at some time and whose value may be missing, if it is. Lists stay as
    /// they are; the answers' values are not filled in.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn ensure(&self, requests: &[Request]) -> Result<Vec<Enqueued>, Error> {
        self.enqueue(Mode::Ensure, requests, false).await
    }

    /// Queues indices that an original server announced on `insert`, unless they are known or queued.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn adopt(&self, indices: &[Index], request_id: &str) -> Result<Vec<Enqueued>, Error> {
        let requests: Vec<_> = indices.iter().map(|&index| Request::bare(index, request_id)).collect();
        self.enqueue(Mode::Adopt, &requests, false).await
    }

    /// Queues an index whose digits were asked for and are not there any more.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn demand(&self, index: Index, request_id: &str) -> Result<SubmissionState, Error> {
        let answers = self.enqueue(Mode::Demand, &[Request::bare(index, request_id)], false).await?;
        Ok(answers.first().map_or(SubmissionState::Stored, |answer| answer.state))
    }

    async fn enqueue(
        &self,
        mode: Mode,
        requests: &[Request],
        announce: bool,
    ) -> Result<Vec<Enqueued>, Error> {
        let mut answers = Vec::with_capacity(requests.len());
        for page in requests.chunks(PAGE) {
            answers.append(&mut self.enqueue_page(mode, page, announce).await?);
        }
        Ok(answers)
    }

    async fn enqueue_page(
        &self,
        mode: Mode,
        requests: &[Request],
        announce: bool,
    ) -> Result<Vec<Enqueued>, Error> {
        let mode = match mode {
            Mode::Submit => "submit",
            Mode::Ensure => "ensure",
            Mode::Adopt => "adopt",
            Mode::Demand => "demand",
        };
        let mut script = scripts::enqueue();
        script
            .arg(mode)
            .arg(PENDING)
            .arg(CURRENT_VALUES)
            .arg(self.room)
            .arg(INSERT)
            .arg(RESULTS)
            .arg(WHOLE_DIGITS);
        for request in requests {
            let seen = if announce { request.seen().to_message() } else { String::new() };
            script
                .arg(request.index.get())
                .arg(request.id)
                .arg(&request.request_id)
                .arg(request.received)
                .arg(request.committed)
                .arg(seen);
        }
        let (waiting, answers): (u64, Vec<(String, String)>) =
            script.invoke_async(&mut self.redis.shared()).await?;
        self.note_waiting(waiting);
        Ok(answers.into_iter().map(Enqueued::read).collect())
    }
}

impl Request {
    fn bare(index: Index, request_id: &str) -> Self {
        Self { index, id: 0, request_id: request_id.to_owned(), received: 0, committed: 0 }
    }

    fn seen(&self) -> Event {
        Event::Seen(contract::SubmissionEvent {
            id: self.id,
            index: self.index,
            request_id: self.request_id.clone(),
        })
    }
}

impl Enqueued {
    fn read((state, value): (String, String)) -> Self {
        match state.as_str() {
            "queued" => Self { state: SubmissionState::Queued, value: None },
            "pending" => Self { state: SubmissionState::Pending, value: None },
            "failed" => Self { state: SubmissionState::DeadLettered, value: None },
            "done" => {
                let value = (!value.is_empty()).then(|| contract::abbreviate(&value).into_owned());
                Self { state: SubmissionState::Done, value }
            }
            _ => Self { state: SubmissionState::Stored, value: None },
        }
    }
}
