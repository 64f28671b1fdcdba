//! Repairs what Redis has lost: sees to it that every accepted index gets its value.
//!
//! Once a second it lists the newest indices again and queues whatever is owed: accepted while Redis was away or
//! the queue was full, or gone because Redis was emptied. All of it is idempotent, so several apis may do it at
//! once, and doing it when nothing is wrong changes nothing.

use std::time::Duration;

use contract::{Index, SubmissionState};
use queue::{CURRENT_VALUES, Cache, Producer, Request};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::database::{self, Newest};

/// Pause between two passes: how long an index may be owed its job without reason.
const EVERY: Duration = Duration::from_secs(1);
/// A pass that takes longer waits for a part that is away without saying so. Every page it did is done.
const PATIENCE: Duration = Duration::from_secs(10);
/// Indices handled at a time: a script of this size keeps Redis busy for about a millisecond.
const PAGE: usize = 250;
/// What logs and events name instead of a request.
const REQUEST_ID: &str = "reconcile";

/// Why a pass could not be finished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("{0}")]
    Redis(#[from] queue::Error),
    #[error("a part does not answer")]
    Slow,
}

/// Sees to it that every accepted index gets its value.
pub(crate) struct Reconciler {
    pub(crate) pool: PgPool,
    pub(crate) cache: Cache,
    pub(crate) producer: Producer,
    /// Indices above it are left alone: they were accepted under another bound.
    pub(crate) max_index: u32,
}

impl Reconciler {
    /// Runs until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        token
            .run_until_cancelled(async {
                loop {
                    match tokio::time::timeout(PATIENCE, self.pass()).await.unwrap_or(Err(Error::Slow)) {
                        Ok(0) => {}
                        Ok(queued) => tracing::info!(queued, "queued what was owed"),
                        // Whatever is away says so in its own place; here it is only a pass that comes later.
                        Err(error) => tracing::debug!(%error, "cannot reconcile now"),
                    }
                    tokio::time::sleep(EVERY).await;
                }
            })
            .await;
    }

    /// One pass; how many indices it queued.
    pub(crate) async fn pass(&self) -> Result<usize, Error> {
        let listed = self.list_newest().await;
        // Whatever keeps lists from being right must not keep values from being calculated.
        let owed = self.queue_owed().await?;
        Ok(listed? + owed)
    }

    /// What Redis takes for newer than anything in Postgres would push the newest indices out of the lists. Redis is asked
    /// first: what it has by then was committed before.
    async fn forget_strangers(&self) -> Result<(), Error> {
        let listed = self.cache.newest_listed().await?;
        let committed = database::newest(&self.pool, 1, Index::LARGEST).await?;
        let committed = committed.first().map_or(0, |newest| newest.id);
        if listed > committed as f64 {
            tracing::warn!(listed, committed, "lists held newer submissions than there are");
            self.cache.forget_newer(committed).await?;
        }
        Ok(())
    }

    async fn list_newest(&self) -> Result<usize, Error> {
        self.forget_strangers().await?;
        let limit = i64::try_from(CURRENT_VALUES).unwrap_or(i64::MAX);
        let newest = database::newest(&self.pool, limit, self.max_index).await?;
        let mut queued = 0;
        // The oldest first, so that the newest are never dropped to make room for them.
        for page in newest.rchunks(PAGE) {
            let answers = self.producer.submit(&requests(page), false).await?;
            queued += answers.iter().filter(|answer| answer.state == SubmissionState::Queued).count();
        }
        Ok(queued)
    }

    async fn queue_owed(&self) -> Result<usize, Error> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let (mut queued, mut after) = (0, None);
        loop {
            let owed = database::owed(&self.pool, after, limit, self.max_index).await?;
            let Some(last) = owed.last() else { return Ok(queued) };
            after = Some(last.index);
            let answers = self.producer.ensure(&requests(&owed)).await?;
            queued += answers.iter().filter(|answer| answer.state == SubmissionState::Queued).count();

            let with_state =
                |state| owed.iter().zip(&answers).filter(move |(_, answer)| answer.state == state);
            let done: Vec<Index> =
                with_state(SubmissionState::Done).map(|(newest, _)| newest.index).collect();
            if !done.is_empty() {
                database::mark_done(&self.pool, &done).await?;
            }
            if with_state(SubmissionState::Stored).next().is_some() {
                // The queue is full. The rest waits where it is safe.
                return Ok(queued);
            }
        }
    }
}

fn requests(indices: &[Newest]) -> Vec<Request> {
    indices
        .iter()
        .map(|newest| Request {
            index: newest.index,
            id: newest.id,
            request_id: REQUEST_ID.to_owned(),
            received: 0,
            committed: 0,
        })
        .collect()
}
