//! Puts indices into the queue: the server those that were submitted, the worker those that an
//! original server announced.
//!
//! `enqueue.lua` decides atomically that an index is in the queue at most once, however often and
//! by whomever it is enqueued, and that a late placeholder never overwrites a result.

use contract::{END_DIGITS, Index, PENDING, SubmissionEvent, SubmissionState, WHOLE_DIGITS};

use crate::keys::{INSERT, MAX_CURRENT_VALUES, RESULTS, WHOLE_VALUE_PREFIX};
use crate::queue_length::{LatestQueueLength, QueueLength};
use crate::{QueueError, QueueEvent, RedisClient, scripts};

/// Indices that one script enqueues: it blocks Redis meanwhile, and Lua's stack is limited.
const PAGE: usize = 500;

/// Lua's format of [`contract::abbreviate`]: first digits, last digits, digit count.
const ABBREVIATED_FORMAT: &str = "%s…%s (%d digits)";
/// Lua's pattern of the same.
const ABBREVIATED_PATTERN: &str = "^%d+…%d+ %(%d+ digits%)$";

/// Puts indices into the queue. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    redis: RedisClient,
    /// Jobs in the queue at most.
    capacity: usize,
    queue_length: LatestQueueLength,
}

/// An index to put into the queue.
#[derive(Clone, Debug)]
pub struct EnqueueRequest {
    /// The index.
    pub index: Index,
    /// Its newest submission; 0 when it was not submitted here.
    pub submission_id: i64,
    /// The request to name in logs and events.
    pub request_id: String,
    /// When the server had read the request, in µs since the Unix epoch.
    pub received: u64,
    /// When Postgres had committed it, in µs since the Unix epoch.
    pub committed: u64,
}

/// What became of an [`EnqueueRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnqueueOutcome {
    /// How far the index's value is. [`SubmissionState::Stored`] when the queue was full.
    pub state: SubmissionState,
    /// The value as lists show it. [`Producer::submit`] returns it when [`SubmissionState::Done`].
    pub value: Option<String>,
}

/// Explained in `enqueue.lua`.
#[derive(Clone, Copy)]
enum Mode {
    Submit,
    Backfill,
    Announced,
    Recompute,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Backfill => "backfill",
            Self::Announced => "announced",
            Self::Recompute => "recompute",
        }
    }
}

impl Producer {
    /// A producer for a queue of at most `capacity` jobs.
    #[must_use]
    pub fn new(redis: RedisClient, capacity: usize) -> Self {
        Self { redis, capacity, queue_length: LatestQueueLength::default() }
    }

    /// Jobs in the queue, as of the newest reply of Redis or call of [`Self::note_queue_length`].
    #[must_use]
    pub fn queue_length(&self) -> u64 {
        self.queue_length.jobs()
    }

    /// Notes a queue length that was read elsewhere.
    pub fn note_queue_length(&self, length: QueueLength) {
        self.queue_length.update(length);
    }

    /// Redis does not answer: nothing is known to be in the queue.
    pub fn reset_queue_length(&self) {
        self.queue_length.reset();
    }

    /// Lists submitted indices and queues those whose value is not known. `announce` publishes a
    /// `seen` event for each: pass it for new submissions, not when they are repeated. The outcomes
    /// are in the order of `requests`.
    ///
    /// # Errors
    /// After an [`QueueError`], none, some or all of it was done, and the call may be repeated.
    pub async fn submit(
        &self,
        requests: &[EnqueueRequest],
        announce: bool,
    ) -> Result<Vec<EnqueueOutcome>, QueueError> {
        self.enqueue(Mode::Submit, requests, announce).await
    }

    /// Queues indices that were submitted earlier, if their value is missing. Does not list them,
    /// and does not return their values. Errors are as in [`Self::submit`].
    pub async fn backfill(&self, requests: &[EnqueueRequest]) -> Result<Vec<EnqueueOutcome>, QueueError> {
        self.enqueue(Mode::Backfill, requests, false).await
    }

    /// Queues indices that an original server announced on `insert`, unless they are known or
    /// queued. Errors are as in [`Self::submit`].
    pub async fn enqueue_announced(
        &self,
        indices: &[Index],
        request_id: &str,
    ) -> Result<Vec<EnqueueOutcome>, QueueError> {
        let requests: Vec<_> =
            indices.iter().map(|&index| EnqueueRequest::unsubmitted(index, request_id)).collect();
        self.enqueue(Mode::Announced, &requests, false).await
    }

    /// Queues an index whose digits were requested and are no longer cached. Errors are as in
    /// [`Self::submit`].
    pub async fn recompute(&self, index: Index, request_id: &str) -> Result<SubmissionState, QueueError> {
        let request = EnqueueRequest::unsubmitted(index, request_id);
        let outcomes = self.enqueue(Mode::Recompute, &[request], false).await?;
        Ok(outcomes.first().map_or(SubmissionState::Stored, |outcome| outcome.state))
    }

    async fn enqueue(
        &self,
        mode: Mode,
        requests: &[EnqueueRequest],
        announce: bool,
    ) -> Result<Vec<EnqueueOutcome>, QueueError> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for page in requests.chunks(PAGE) {
            outcomes.append(&mut self.enqueue_page(mode, page, announce).await?);
        }
        Ok(outcomes)
    }

    async fn enqueue_page(
        &self,
        mode: Mode,
        requests: &[EnqueueRequest],
        announce: bool,
    ) -> Result<Vec<EnqueueOutcome>, QueueError> {
        let mut script = scripts::enqueue();
        script
            .arg(mode.as_str())
            .arg(PENDING)
            .arg(MAX_CURRENT_VALUES)
            .arg(self.capacity)
            .arg(INSERT)
            .arg(RESULTS)
            .arg(WHOLE_VALUE_PREFIX)
            .arg(WHOLE_DIGITS)
            .arg(END_DIGITS)
            .arg(ABBREVIATED_FORMAT)
            .arg(ABBREVIATED_PATTERN);
        for request in requests {
            let seen = if announce { request.submitted_event().to_json() } else { String::new() };
            script
                .arg(request.index.get())
                .arg(request.submission_id)
                .arg(&request.request_id)
                .arg(request.received)
                .arg(request.committed)
                .arg(seen);
        }
        let (at, jobs, answers): (u64, u64, Vec<(String, String)>) =
            script.invoke_async(&mut self.redis.shared()).await?;
        self.queue_length.update(QueueLength { jobs, at });
        Ok(answers.into_iter().map(EnqueueOutcome::parse).collect())
    }
}

impl EnqueueRequest {
    fn unsubmitted(index: Index, request_id: &str) -> Self {
        Self { index, submission_id: 0, request_id: request_id.to_owned(), received: 0, committed: 0 }
    }

    fn submitted_event(&self) -> QueueEvent {
        QueueEvent::Submitted(SubmissionEvent {
            id: self.submission_id,
            index: self.index,
            request_id: self.request_id.clone(),
        })
    }
}

impl EnqueueOutcome {
    fn parse((state, value): (String, String)) -> Self {
        let state = match state.as_str() {
            "queued" => SubmissionState::Queued,
            "pending" => SubmissionState::Pending,
            "done" => SubmissionState::Done,
            "dead_lettered" => SubmissionState::DeadLettered,
            _ => SubmissionState::Stored,
        };
        // An original worker may have stored a long value whole.
        let value = (!value.is_empty()).then(|| contract::abbreviate(&value).into_owned());
        Self { state, value }
    }
}
