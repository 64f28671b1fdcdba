//! Puts indices into the queue: the server those that were submitted, the worker those that an
//! original server announced.
//!
//! `enqueue.lua` decides atomically that an index is in the queue at most once, however often and
//! by whomever it is enqueued, and that a late placeholder never overwrites a result.

use contract::{
    END_DIGITS, Hops, Index, PENDING, SubmissionEvent, SubmissionState, SubmitResponse,
    WHOLE_DIGITS,
};

use crate::keys::{
    DEAD_INDICES, GROUP, INSERT, MAX_CURRENT_VALUES, QUEUED, RESULTS, VALUES, WHOLE_VALUE_PREFIX,
    whole_value,
};
use crate::queue_length::{LatestQueueLength, QueueLength};
use crate::{JobClass, PerClass, QueueError, QueueEvent, RedisClient, scripts};

/// Indices that one script enqueues: it blocks Redis meanwhile, and Lua's stack is limited.
const SCRIPT_SIZE: usize = 500;

/// Lua's format of [`contract::abbreviate`]: first digits, last digits, digit count.
const ABBREVIATED_FORMAT: &str = "%s…%s (%d digits)";
/// Lua's pattern of the same.
const ABBREVIATED_PATTERN: &str = "^%d+…%d+ %(%d+ digits%)$";

/// Puts indices into the queue. After an error, none, some or all of it was done, and the call may
/// be repeated. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    redis: RedisClient,
    /// Jobs in the queue at most, of all classes.
    max_queue: usize,
    queue_length: LatestQueueLength,
}

impl Producer {
    /// A producer for a queue of at most `max_queue` jobs.
    #[must_use]
    pub fn new(redis: RedisClient, max_queue: usize) -> Self {
        Self { redis, max_queue, queue_length: LatestQueueLength::default() }
    }

    /// Jobs of `class` in the queue, as of the newest reply of Redis or call of
    /// [`Self::note_queue_length`].
    #[must_use]
    pub fn queue_length(&self, class: JobClass) -> u64 {
        self.queue_length.of(class)
    }

    /// Jobs of `class` that the queue holds at most.
    #[must_use]
    pub fn capacity(&self, class: JobClass) -> u64 {
        class.capacity(self.max_queue)
    }

    /// Whether Redis shows that `index` was accepted before: its value is cached, it is listed,
    /// perhaps still without a value, or its job is queued or a dead letter. Accepting it again
    /// adds no work.
    pub async fn was_accepted(&self, index: Index) -> Result<bool, QueueError> {
        let mut commands = redis::pipe();
        commands.exists(whole_value(index));
        for key in [VALUES, QUEUED, DEAD_INDICES] {
            commands.hexists(key, index.get());
        }
        let accepted: [bool; 4] = commands.query_async(&mut self.redis.shared()).await?;
        Ok(accepted.contains(&true))
    }

    /// Notes a queue length that was read elsewhere.
    pub fn note_queue_length(&self, length: QueueLength) {
        self.queue_length.update(length);
    }

    /// Redis does not answer: nothing is known to be in the queue.
    pub fn reset_queue_length(&self) {
        self.queue_length.reset();
    }

    /// Lists new submissions, announces each, queues those whose value is not known, and sets
    /// `state` and `value`: [`SubmissionState::Stored`] when their class is full.
    pub async fn submit<'a>(
        &self,
        submissions: impl IntoIterator<Item = &'a mut SubmitResponse>,
    ) -> Result<(), QueueError> {
        self.enqueue("submit", submissions).await
    }

    /// As [`Self::submit`], for indices that were submitted earlier and may be missing in the
    /// lists: does not announce them, and their jobs are of class [`JobClass::Repair`].
    pub async fn restore<'a>(
        &self,
        submissions: impl IntoIterator<Item = &'a mut SubmitResponse>,
    ) -> Result<(), QueueError> {
        self.enqueue("restore", submissions).await
    }

    /// As [`Self::restore`], but does not list them, and does not set their values.
    pub async fn backfill<'a>(
        &self,
        submissions: impl IntoIterator<Item = &'a mut SubmitResponse>,
    ) -> Result<(), QueueError> {
        self.enqueue("backfill", submissions).await
    }

    /// Queues an index that an original server announced on `insert`, unless it is known or queued.
    pub async fn enqueue_announced(
        &self,
        index: Index,
        request_id: &str,
    ) -> Result<SubmissionState, QueueError> {
        self.enqueue_unsubmitted("announced", index, request_id).await
    }

    /// Queues an index whose digits were requested and are no longer cached.
    pub async fn recompute(
        &self,
        index: Index,
        request_id: &str,
    ) -> Result<SubmissionState, QueueError> {
        self.enqueue_unsubmitted("recompute", index, request_id).await
    }

    async fn enqueue_unsubmitted(
        &self,
        mode: &str,
        index: Index,
        request_id: &str,
    ) -> Result<SubmissionState, QueueError> {
        let mut submission = SubmitResponse::new(index, request_id.to_owned(), Hops::default());
        self.enqueue(mode, [&mut submission]).await?;
        Ok(submission.state)
    }

    /// `enqueue.lua` explains the modes.
    async fn enqueue<'a>(
        &self,
        mode: &str,
        submissions: impl IntoIterator<Item = &'a mut SubmitResponse>,
    ) -> Result<(), QueueError> {
        let mut submissions: Vec<_> = submissions.into_iter().collect();
        for page in submissions.chunks_mut(SCRIPT_SIZE) {
            self.enqueue_page(mode, page).await?;
        }
        Ok(())
    }

    async fn enqueue_page(
        &self,
        mode: &str,
        submissions: &mut [&mut SubmitResponse],
    ) -> Result<(), QueueError> {
        let is_repair = matches!(mode, "restore" | "backfill");
        let mut script = scripts::ENQUEUE.prepare();
        script
            .arg(mode)
            .arg(PENDING)
            .arg(MAX_CURRENT_VALUES)
            .arg(&JobClass::ALL.map(|class| self.capacity(class)))
            .arg(GROUP)
            .arg(INSERT)
            .arg(RESULTS)
            .arg(WHOLE_VALUE_PREFIX)
            .arg(WHOLE_DIGITS)
            .arg(END_DIGITS)
            .arg(ABBREVIATED_FORMAT)
            .arg(ABBREVIATED_PATTERN);
        for submission in &*submissions {
            let class = if is_repair { JobClass::Repair } else { JobClass::of(submission.index) };
            let seen = if mode == "submit" {
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
                .arg(seen);
        }
        let (at, by_class, answers): (u64, [u64; 3], Vec<(String, String)>) =
            script.invoke_async(&mut self.redis.shared()).await?;
        self.queue_length.update(QueueLength { by_class: PerClass(by_class), at });
        for (submission, (state, value)) in submissions.iter_mut().zip(answers) {
            submission.state = match state.as_str() {
                "queued" => SubmissionState::Queued,
                "pending" => SubmissionState::Pending,
                "done" => SubmissionState::Done,
                "dead_lettered" => SubmissionState::DeadLettered,
                _ => SubmissionState::Stored,
            };
            // An original worker may have stored a long value whole.
            submission.value =
                (!value.is_empty()).then(|| contract::abbreviate(&value).into_owned());
        }
        Ok(())
    }
}

fn submitted_event(submission: &SubmitResponse) -> QueueEvent {
    let SubmitResponse { id, index, request_id, .. } = submission;
    QueueEvent::Submitted(SubmissionEvent {
        id: *id,
        index: *index,
        request_id: request_id.clone(),
    })
}
