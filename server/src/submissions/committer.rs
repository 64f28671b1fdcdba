//! Commits submissions in batches, and enqueues each batch while the next one is committed.

use std::time::{Duration, Instant};

use contract::Index;
use queue::{Producer, now_micros};
use service::traces;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use super::PendingSubmission;
use crate::database::Inserter;
use crate::error::ApiError;

/// Maximum number of submissions in a commit. Larger batches only increase the latency.
pub(super) const MAX_BATCH_SIZE: usize = 256;
/// Of each commit, this many submissions are logged at info and the others at debug. Under load, an
/// info line for every submission would take a tenth of the api's processor time.
const MAX_INFO_LINES_PER_COMMIT: usize = 4;
/// If a commit takes longer, Postgres counts as unavailable, even if the connection is open.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time allowed to drain pending submissions at shutdown. Closing the connections takes up to 4 s
/// of the 4.5 s of `SHUTDOWN_GRACE`.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(400);

/// The task that commits and enqueues the submissions of [`super::Submissions`].
pub(crate) struct Committer {
    receiver: mpsc::Receiver<PendingSubmission>,
    inserter: Inserter,
    producer: Producer,
}

impl Committer {
    pub(super) fn new(
        receiver: mpsc::Receiver<PendingSubmission>,
        pool: PgPool,
        producer: Producer,
    ) -> Self {
        Self { receiver, inserter: Inserter::new(pool), producer }
    }

    /// Runs until every [`super::Submissions`] is dropped, or until `shutdown` is cancelled and the
    /// pending submissions have a response. After `DRAIN_TIMEOUT`, the response is
    /// [`ApiError::shutting_down`].
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let drain_timeout = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            () = self.commit_all(&shutdown) => {}
            () = drain_timeout => {
                tracing::warn!("drain timeout; pending submissions got an error");
            }
        }
    }

    async fn commit_all(mut self, shutdown: &CancellationToken) {
        let enqueueing = TaskTracker::new();
        let mut batch = Vec::with_capacity(MAX_BATCH_SIZE);
        loop {
            let received = shutdown
                .run_until_cancelled(self.receiver.recv_many(&mut batch, MAX_BATCH_SIZE))
                .await;
            if received.is_none() {
                // A closed channel refuses new submissions, but still delivers the pending ones. An
                // empty batch then means that none is left.
                self.receiver.close();
                self.receiver.recv_many(&mut batch, MAX_BATCH_SIZE).await;
            }
            if batch.is_empty() {
                break;
            }
            // Let other tasks add their submissions to this batch: under load, this saves a third
            // of the commits and scripts.
            tokio::task::yield_now().await;
            while batch.len() < MAX_BATCH_SIZE
                && let Ok(pending) = self.receiver.try_recv()
            {
                batch.push(pending);
            }
            self.commit(std::mem::take(&mut batch), &enqueueing).await;
        }
        enqueueing.close();
        enqueueing.wait().await;
    }

    async fn commit(&mut self, mut batch: Vec<PendingSubmission>, enqueueing: &TaskTracker) {
        let indices: Vec<Index> = batch.iter().map(|pending| pending.submission.index).collect();
        let started = Instant::now();
        let span = commit_span(&batch);
        let inserted = self.inserter.insert(&indices).instrument(span.clone());
        let inserted = tokio::time::timeout(COMMIT_TIMEOUT, inserted).await;
        // After the timeout, the client gets the same error as without a connection.
        match inserted.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(ids) => {
                metrics::counter!("submissions_total").increment(ids.len() as u64);
                metrics::histogram!("commit_seconds").record(started.elapsed().as_secs_f64());
                let committed = now_micros();
                for (PendingSubmission { submission, .. }, id) in batch.iter_mut().zip(ids) {
                    submission.id = id;
                    submission.hops.committed = committed;
                }
                enqueueing.spawn(enqueue(self.producer.clone(), batch));
            }
            Err(error) => {
                traces::fail(&span, &error);
                let error = ApiError::from(error);
                for pending in batch {
                    // Fails if the client has disconnected.
                    let _ = pending.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

/// The span of a commit. It belongs to the trace of the first submission that is traced, and has
/// links from and to all of them.
fn commit_span(batch: &[PendingSubmission]) -> Span {
    let mut traced = batch.iter().map(|pending| &pending.trace).filter(|trace| trace.is_sampled());
    let Some(first) = traced.next() else { return Span::none() };
    let span = tracing::info_span!(
        target: traces::TARGET,
        "commit",
        otel.kind = "client",
        db.system.name = "postgresql",
        submissions = batch.len()
    );
    first.adopt(&span);
    first.link(&span);
    traced.for_each(|trace| trace.link(&span));
    span
}

/// The span of pushing the job of a submission to Redis.
fn push_span(pending: &PendingSubmission) -> Span {
    let span = tracing::info_span!(
        target: traces::TARGET,
        "push",
        otel.kind = "producer",
        messaging.system = "redis",
        index = pending.submission.index.get()
    );
    pending.trace.adopt(&span);
    span
}

async fn enqueue(producer: Producer, mut batch: Vec<PendingSubmission>) {
    let pushes: Vec<Span> = batch.iter().map(push_span).collect();
    let traceparents: Vec<String> = pushes.iter().map(traces::traceparent).collect();
    let submissions = batch.iter_mut().map(|pending| &mut pending.submission);
    let submissions = submissions.zip(traceparents.iter().map(String::as_str));
    if let Err(error) = producer.submit(submissions).await {
        pushes.iter().for_each(|push| traces::fail(push, &error));
        // At debug: `RedisClient::poll_health` logs an outage once.
        tracing::debug!(
            %error,
            submissions = batch.len(),
            "enqueueing failed; the reconciler will queue the submissions"
        );
    }
    drop(pushes);
    // Redis's queue length now includes the jobs. Together with its permit, each job would occupy
    // two slots.
    for pending in &mut batch {
        pending.permit = None;
    }
    for (number, PendingSubmission { submission, span, reply, .. }) in batch.into_iter().enumerate()
    {
        let (id, index, state) = (submission.id, submission.index.get(), submission.state);
        // Fails if the client has disconnected.
        let _ = reply.send(Ok(submission));
        span.in_scope(|| match number {
            ..MAX_INFO_LINES_PER_COMMIT => tracing::info!(id, index, ?state, "submitted"),
            _ => tracing::debug!(id, index, ?state, "submitted"),
        });
    }
}
