//! Enqueues indices: the server enqueues those that are submitted, requested or missing, the worker
//! those that a server of the original announces.
//!
//! `enqueue.lua` is atomic. However often an index is enqueued, it is in the queue at most once,
//! and a placeholder never overwrites a result.

use contract::{
    END_DIGITS, Hops, Index, MAX_WHOLE_DIGITS, PENDING, SubmissionEvent, SubmissionState,
    SubmitResponse,
};

use crate::keys::{
    DEAD_LETTER_INDICES, GROUP, INSERT_CHANNEL, MAX_CURRENT_VALUES, QUEUED_INDICES,
    RESULTS_CHANNEL, VALUES, WHOLE_VALUE_PREFIX, whole_value,
};
use crate::queue_length::{LatestQueueLength, QueueLength};
use crate::{JobClass, PerClass, QueueError, QueueEvent, RedisClient, scripts};

/// A running script blocks Redis, and Lua's stack is limited.
const MAX_INDICES_PER_SCRIPT: usize = 500;

/// Lua format of [`contract::abbreviate`]: first digits, last digits, digit count.
const ABBREVIATED_FORMAT: &str = "%s…%s (%d digits)";
/// Lua pattern of the same.
const ABBREVIATED_PATTERN: &str = "^%d+…%d+ %(%d+ digits%)$";

/// Enqueues indices. After an error, none, some or all of them are enqueued, and the call may be
/// repeated. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    redis: RedisClient,
    /// Most jobs in the queue, of all classes.
    max_queue: usize,
    queue_length: LatestQueueLength,
}

impl Producer {
    /// A producer for a queue of at most `max_queue` jobs.
    #[must_use]
    pub fn new(redis: RedisClient, max_queue: usize) -> Self {
        Self { redis, max_queue, queue_length: LatestQueueLength::default() }
    }

    /// Jobs of `class` in the queue, by the latest reply of Redis or call of
    /// [`Self::note_queue_length`].
    #[must_use]
    pub fn queue_length(&self, class: JobClass) -> u64 {
        self.queue_length.of(class)
    }

    /// Most jobs of `class` in the queue.
    #[must_use]
    pub fn capacity(&self, class: JobClass) -> u64 {
        class.capacity(self.max_queue)
    }

    /// Whether Redis shows that `index` was accepted before, so that accepting it again adds no
    /// work: its value is cached, it is in `values` (perhaps without a value), its job is queued,
    /// or it has a dead letter.
    pub async fn was_accepted(&self, index: Index) -> Result<bool, QueueError> {
        let mut commands = redis::pipe();
        commands.exists(whole_value(index));
        for key in [VALUES, QUEUED_INDICES, DEAD_LETTER_INDICES] {
            commands.hexists(key, index.get());
        }
        let accepted: [bool; 4] = commands.query_async(&mut self.redis.shared()).await?;
        Ok(accepted.contains(&true))
    }

    /// Notes a queue length that was read elsewhere.
    pub fn note_queue_length(&self, length: QueueLength) {
        self.queue_length.update(length);
    }

    /// Counts the queue as empty, because Redis is unavailable and its length is unknown.
    pub fn reset_queue_length(&self) {
        self.queue_length.reset();
    }

    /// Lists new submissions, publishes an event for each, queues those whose value is missing, and
    /// sets their `state` and `value`. The state is [`SubmissionState::Stored`] if the class is
    /// full. Each submission is given with the [`Job::traceparent`](crate::Job::traceparent) of its
    /// job.
    pub async fn submit<'a>(
        &self,
        submissions: impl IntoIterator<Item = (&'a mut SubmitResponse, &'a str)>,
    ) -> Result<(), QueueError> {
        self.enqueue("submit", submissions).await
    }

    /// Like [`Self::submit`], for earlier submissions that may be missing in the lists. Publishes
    /// no events, and queues jobs of class [`JobClass::Repair`].
    pub async fn restore<'a>(
        &self,
        submissions: impl IntoIterator<Item = &'a mut SubmitResponse>,
    ) -> Result<(), QueueError> {
        self.enqueue("restore", submissions.into_iter().map(untraced)).await
    }

    /// Like [`Self::restore`], but does not list the indices, and sets `value` only for indices
    /// that are listed already.
    pub async fn backfill<'a>(
        &self,
        submissions: impl IntoIterator<Item = &'a mut SubmitResponse>,
    ) -> Result<(), QueueError> {
        self.enqueue("backfill", submissions.into_iter().map(untraced)).await
    }

    /// Queues an index that a server of the original announced on `insert`, unless its value is
    /// known.
    pub async fn enqueue_announced(
        &self,
        index: Index,
        request_id: &str,
    ) -> Result<SubmissionState, QueueError> {
        self.enqueue_unsubmitted("announced", index, request_id, "").await
    }

    /// Queues an index whose digits were requested and are not cached any more.
    pub async fn recompute(
        &self,
        index: Index,
        request_id: &str,
        traceparent: &str,
    ) -> Result<SubmissionState, QueueError> {
        self.enqueue_unsubmitted("recompute", index, request_id, traceparent).await
    }

    async fn enqueue_unsubmitted(
        &self,
        mode: &str,
        index: Index,
        request_id: &str,
        traceparent: &str,
    ) -> Result<SubmissionState, QueueError> {
        let mut submission = SubmitResponse::new(index, request_id.to_owned(), Hops::default());
        self.enqueue(mode, [(&mut submission, traceparent)]).await?;
        Ok(submission.state)
    }

    /// `enqueue.lua` explains the modes.
    async fn enqueue<'a>(
        &self,
        mode: &str,
        submissions: impl IntoIterator<Item = (&'a mut SubmitResponse, &'a str)>,
    ) -> Result<(), QueueError> {
        let mut submissions: Vec<_> = submissions.into_iter().collect();
        for batch in submissions.chunks_mut(MAX_INDICES_PER_SCRIPT) {
            self.enqueue_batch(mode, batch).await?;
        }
        Ok(())
    }

    async fn enqueue_batch(
        &self,
        mode: &str,
        submissions: &mut [(&mut SubmitResponse, &str)],
    ) -> Result<(), QueueError> {
        let is_repair = matches!(mode, "restore" | "backfill");
        let mut script = scripts::ENQUEUE.prepare();
        script
            .arg(mode)
            .arg(PENDING)
            .arg(MAX_CURRENT_VALUES)
            .arg(&JobClass::ALL.map(|class| self.capacity(class)))
            .arg(GROUP)
            .arg(INSERT_CHANNEL)
            .arg(RESULTS_CHANNEL)
            .arg(WHOLE_VALUE_PREFIX)
            .arg(MAX_WHOLE_DIGITS)
            .arg(END_DIGITS)
            .arg(ABBREVIATED_FORMAT)
            .arg(ABBREVIATED_PATTERN);
        for (submission, traceparent) in &*submissions {
            let class = if is_repair { JobClass::Repair } else { JobClass::of(submission.index) };
            let event = if mode == "submit" {
                submitted_event(submission).to_json()
            } else {
                String::new()
            };
            script
                .arg(submission.index.get())
                .arg(class.name())
                .arg(submission.id)
                .arg(&submission.request_id)
                .arg(submission.hops.received)
                .arg(submission.hops.committed)
                .arg(*traceparent)
                .arg(event);
        }
        let (at, by_class, outcomes): (u64, [u64; 3], Vec<(String, String)>) =
            script.invoke_async(&mut self.redis.shared()).await?;
        self.queue_length.update(QueueLength { by_class: PerClass(by_class), at });
        for ((submission, _), (state, value)) in submissions.iter_mut().zip(outcomes) {
            submission.state = match state.as_str() {
                "queued" => SubmissionState::Queued,
                "pending" => SubmissionState::Pending,
                "done" => SubmissionState::Done,
                "dead_lettered" => SubmissionState::DeadLettered,
                _ => SubmissionState::Stored,
            };
            // A worker of the original lists long values whole.
            submission.value =
                (!value.is_empty()).then(|| contract::abbreviate(&value).into_owned());
        }
        Ok(())
    }
}

/// A submission whose job belongs to no trace.
fn untraced(submission: &mut SubmitResponse) -> (&mut SubmitResponse, &str) {
    (submission, "")
}

fn submitted_event(submission: &SubmitResponse) -> QueueEvent {
    let SubmitResponse { id, index, request_id, .. } = submission;
    QueueEvent::Submitted(SubmissionEvent {
        id: *id,
        index: *index,
        request_id: request_id.clone(),
    })
}
