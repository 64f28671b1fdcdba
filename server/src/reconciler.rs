//! Repairs what Redis has lost, so that every accepted index gets its value.
//!
//! Once a second it removes foreign data under our keys, lists the newest indices again, and queues
//! every index whose value is missing: accepted while Redis was down or the queue was full, or lost
//! because Redis was emptied. Every step is idempotent, so several apis may run it at the same
//! time.

use std::error::Error;
use std::time::Duration;

use contract::{Hops, Index, SubmissionState, SubmitResponse};
use queue::{MAX_CURRENT_VALUES, Producer, Repair};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::database::{self, IndexWithId};

const PASS_INTERVAL: Duration = Duration::from_secs(1);
/// A pass that takes longer waits for a store that does not answer. Its finished batches count.
const PASS_TIMEOUT: Duration = Duration::from_secs(10);
/// Indices per script: Redis is busy with one of this size for about a millisecond.
const BATCH_SIZE: usize = 250;
/// In place of a request's id, in logs and events.
const RECONCILER_REQUEST_ID: &str = "reconcile";

/// Of Postgres or Redis, or a timeout.
type PassError = Box<dyn Error + Send + Sync>;

pub(crate) struct Reconciler {
    pub(crate) pool: PgPool,
    pub(crate) repair: Repair,
    pub(crate) producer: Producer,
    /// Higher indices were accepted under another bound, and are left alone.
    pub(crate) max_index: u32,
}

impl Reconciler {
    /// Runs until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        let passes = async {
            loop {
                let passed = tokio::time::timeout(PASS_TIMEOUT, self.pass()).await;
                match passed.map_err(PassError::from).flatten() {
                    Ok(0) => {}
                    Ok(queued) => tracing::info!(queued, "queued indices whose value was missing"),
                    // `redis_up` and readiness report an outage.
                    Err(error) => tracing::debug!(%error, "reconciliation pass failed"),
                }
                tokio::time::sleep(PASS_INTERVAL).await;
            }
        };
        token.run_until_cancelled(passes).await;
    }

    /// One pass. Returns the number of indices that it queued.
    async fn pass(&self) -> Result<usize, PassError> {
        for key in self.repair.remove_foreign_data().await? {
            tracing::warn!(key, "removed foreign data under a key of ours; it will be rebuilt");
        }
        let listed = self.list_newest().await;
        // Values are calculated even when the lists cannot be repaired.
        let queued = self.queue_missing().await?;
        Ok(listed? + queued)
    }

    /// Entries newer than any Postgres row would evict the real newest ones. Redis is read first:
    /// what it lists by then was committed before.
    async fn forget_future_entries(&self) -> Result<(), PassError> {
        let listed = self.repair.newest_listed_id().await?;
        let committed = database::newest_indices(&self.pool, 1, Index::LARGEST).await?;
        let committed = committed.first().map_or(0, |newest| newest.id);
        if listed > committed as f64 {
            tracing::warn!(listed, committed, "list had entries newer than any submission");
            self.repair.remove_ids_above(committed).await?;
        }
        Ok(())
    }

    async fn list_newest(&self) -> Result<usize, PassError> {
        self.forget_future_entries().await?;
        let limit = i64::try_from(MAX_CURRENT_VALUES).unwrap_or(i64::MAX);
        let newest = database::newest_indices(&self.pool, limit, self.max_index).await?;
        let mut queued = 0;
        // The oldest first, so that they never evict newer ones.
        for batch in newest.rchunks(BATCH_SIZE) {
            let mut submissions = submissions(batch);
            self.producer.submit(&mut submissions, false).await?;
            queued += in_state(&submissions, SubmissionState::Queued).count();
        }
        Ok(queued)
    }

    async fn queue_missing(&self) -> Result<usize, PassError> {
        let limit = i64::try_from(BATCH_SIZE).unwrap_or(i64::MAX);
        let (mut queued, mut after) = (0, None);
        loop {
            let missing = database::find_missing(&self.pool, after, limit, self.max_index).await?;
            let Some(last) = missing.last() else { return Ok(queued) };
            after = Some(last.index);
            let mut submissions = submissions(&missing);
            self.producer.backfill(&mut submissions).await?;
            queued += in_state(&submissions, SubmissionState::Queued).count();

            let done: Vec<_> = in_state(&submissions, SubmissionState::Done).map(|done| done.index).collect();
            if !done.is_empty() {
                database::mark_done(&self.pool, &done).await?;
            }
            if in_state(&submissions, SubmissionState::Stored).next().is_some() {
                // The queue is full: the rest follows in a later pass.
                return Ok(queued);
            }
        }
    }
}

fn submissions(rows: &[IndexWithId]) -> Vec<SubmitResponse> {
    let submission = |row: &IndexWithId| SubmitResponse {
        id: row.id,
        ..SubmitResponse::new(row.index, RECONCILER_REQUEST_ID.to_owned(), Hops::default())
    };
    rows.iter().map(submission).collect()
}

fn in_state(submissions: &[SubmitResponse], state: SubmissionState) -> impl Iterator<Item = &SubmitResponse> {
    submissions.iter().filter(move |submission| submission.state == state)
}
