//! Submits indices: admission to the queue, commit to Postgres, enqueueing in Redis.
//!
//! Submissions that arrive during a commit share the next one, up to 256 at a time; without load,
//! none waits. The response follows the commit and the attempt to enqueue. If Redis is down, the
//! state is `stored`, and the `reconciler` queues the index later.

mod admission;
mod committer;

use contract::{Hops, Index, SubmitResponse};
use queue::{JobClass, Producer, now_micros};
use service::traces::TraceSpan;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use self::admission::{Admission, QueuePermit};
use self::committer::Committer;
use crate::error::ApiError;

/// Submissions that may wait for a commit; further ones are refused.
const MAX_PENDING_SUBMISSIONS: usize = 8_192;

/// Accepts submissions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Submissions {
    sender: mpsc::Sender<PendingSubmission>,
    admission: Admission,
    producer: Producer,
}

/// A submission whose request waits for the response.
struct PendingSubmission {
    /// The response; the commit and the enqueueing fill it in.
    submission: SubmitResponse,
    /// `None` if the queue was full and the index adds no job.
    permit: Option<QueuePermit>,
    /// Span of the request, for log lines.
    span: Span,
    trace: TraceSpan,
    reply: oneshot::Sender<Result<SubmitResponse, ApiError>>,
}

impl Submissions {
    /// The submissions do nothing until the [`Committer`] runs.
    pub(crate) fn new(pool: PgPool, producer: Producer) -> (Self, Committer) {
        let (sender, receiver) = mpsc::channel(MAX_PENDING_SUBMISSIONS);
        let admission = Admission::new(producer.clone());
        let committer = Committer::new(receiver, pool, producer.clone());
        (Self { sender, admission, producer }, committer)
    }

    /// Commits the index and tries to enqueue it. `edge` is the time in [`Hops::edge`].
    pub(crate) async fn submit(
        &self,
        index: Index,
        request_id: &str,
        edge: u64,
    ) -> Result<SubmitResponse, ApiError> {
        let permit = self.admission.try_acquire(JobClass::of(index));
        // A full queue does not refuse an index that adds no job. While Redis is unavailable, every
        // index is accepted, and is queued later.
        if permit.is_none() && !self.producer.was_accepted(index).await.unwrap_or(true) {
            return Err(ApiError::queue_full());
        }
        let hops = Hops { edge, received: now_micros(), ..Hops::default() };
        let submission = SubmitResponse::new(index, request_id.to_owned(), hops);
        let (reply, response) = oneshot::channel();
        let (span, trace) = (Span::current(), TraceSpan::current());
        let pending = PendingSubmission { submission, permit, span, trace, reply };
        self.sender.try_send(pending).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ApiError::too_many_submissions(),
            mpsc::error::TrySendError::Closed(_) => ApiError::shutting_down(),
        })?;
        response.await.unwrap_or_else(|_| Err(ApiError::shutting_down()))
    }
}

#[cfg(test)]
mod tests;
