//! Commits submissions in batches, and enqueues each batch while the next one is committed.

use std::time::{Duration, Instant};

use contract::Index;
use queue::{Producer, now_micros};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Pending;
use crate::database::Inserter;
use crate::error::ApiError;

/// Submissions per commit; larger batches only make each wait longer.
pub(super) const BATCH_SIZE: usize = 256;
/// Submissions of a commit that are logged at info, the others at debug: under load, a line for
/// each would take a tenth of the api's processor time.
const MAX_INFO_LINES_PER_COMMIT: usize = 4;
/// A Postgres that takes longer to commit is down, whatever its connection says.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time allowed to drain pending submissions at shutdown. Closing the connections takes up to 4 s
/// of the 4.5 s of `SHUTDOWN_GRACE`.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(400);

/// Commits what [`super::Submissions`] accepts.
pub(crate) struct Committer {
    receiver: mpsc::Receiver<Pending>,
    inserter: Inserter,
    producer: Producer,
}

impl Committer {
    pub(super) fn new(receiver: mpsc::Receiver<Pending>, pool: PgPool, producer: Producer) -> Self {
        Self { receiver, inserter: Inserter::new(pool), producer }
    }

    /// Runs until every [`super::Submissions`] is dropped, or `shutdown` is cancelled and what is
    /// pending is answered: with [`ApiError::shutting_down`] if it takes too long.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let timeout = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            () = self.commit_all(&shutdown) => {}
            () = timeout => tracing::warn!("drain timeout; the pending submissions were answered with an error"),
        }
    }

    async fn commit_all(mut self, shutdown: &CancellationToken) {
        let enqueueing = TaskTracker::new();
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        loop {
            let received =
                shutdown.run_until_cancelled(self.receiver.recv_many(&mut batch, BATCH_SIZE)).await;
            if received.is_none() {
                // Pending submissions can still be received after this.
                self.receiver.close();
                self.receiver.recv_many(&mut batch, BATCH_SIZE).await;
            }
            if batch.is_empty() {
                break;
            }
            // Requests that other tasks are about to send join this commit: a third fewer commits
            // and scripts under load.
            tokio::task::yield_now().await;
            while batch.len() < BATCH_SIZE
                && let Ok(pending) = self.receiver.try_recv()
            {
                batch.push(pending);
            }
            self.commit(std::mem::take(&mut batch), &enqueueing).await;
        }
        enqueueing.close();
        enqueueing.wait().await;
    }

    async fn commit(&mut self, mut batch: Vec<Pending>, enqueueing: &TaskTracker) {
        let indices: Vec<Index> = batch.iter().map(|pending| pending.submission.index).collect();
        let started = Instant::now();
        let inserted = tokio::time::timeout(COMMIT_TIMEOUT, self.inserter.insert(&indices)).await;
        match inserted.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(ids) => {
                metrics::counter!("submissions_total").increment(ids.len() as u64);
                metrics::histogram!("commit_seconds").record(started.elapsed().as_secs_f64());
                let committed = now_micros();
                for (Pending { submission, .. }, id) in batch.iter_mut().zip(ids) {
                    submission.id = id;
                    submission.hops.committed = committed;
                }
                enqueueing.spawn(enqueue(self.producer.clone(), batch));
            }
            Err(error) => {
                let error = ApiError::from(error);
                for pending in batch {
                    // An error means that the client is gone.
                    let _ = pending.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

async fn enqueue(producer: Producer, mut batch: Vec<Pending>) {
    let submissions = batch.iter_mut().map(|pending| &mut pending.submission);
    if let Err(error) = producer.submit(submissions).await {
        // `RedisClient::poll_health` reports an outage once.
        tracing::debug!(%error, submissions = batch.len(), "enqueueing failed; the reconciler will queue the submissions");
    }
    // Redis counts the jobs now: with their permits as well, each would take two slots.
    batch.iter_mut().for_each(|pending| drop(pending.permit.take()));
    for (number, Pending { submission, span, reply, .. }) in batch.into_iter().enumerate() {
        let (id, index, state) = (submission.id, submission.index.get(), submission.state);
        let _ = reply.send(Ok(submission));
        span.in_scope(|| match number {
            ..MAX_INFO_LINES_PER_COMMIT => tracing::info!(id, index, ?state, "submitted"),
            _ => tracing::debug!(id, index, ?state, "submitted"),
        });
    }
}
