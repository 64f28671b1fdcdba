//! Repairs what Redis has lost, so that every accepted index gets its value.
//!
//! Once a second it removes foreign data under our keys, and from the lists all indices that
//! Postgres does not have or that exceed MAX_INDEX. Then it lists the newest indices again, and
//! queues every index whose value is missing: accepted while Redis was down or the queue was full,
//! or lost because Redis was emptied. Every step is idempotent, so several apis may run it at the
//! same time.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use contract::{Hops, SubmissionState, SubmitResponse};
use queue::{ListedEntry, MAX_CURRENT_VALUES, Producer, Repair};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::database::{self, IndexWithId};

const PASS_INTERVAL: Duration = Duration::from_secs(1);
/// The same while more values are missing than the queue takes.
const BACKLOG_INTERVAL: Duration = Duration::from_millis(250);
/// A pass that takes longer waits for a store that does not answer. Its finished batches count.
const PASS_TIMEOUT: Duration = Duration::from_secs(10);
/// Indices per script: Redis is busy with one of this size for about a millisecond.
const BATCH_SIZE: usize = 250;
/// In place of a request's id, in logs and events.
const RECONCILER_REQUEST_ID: &str = "reconcile";

/// Of Postgres or Redis, or a timeout.
type PassError = Box<dyn Error + Send + Sync>;

#[derive(Default)]
struct PassOutcome {
    /// Indices that the pass has queued.
    queued: usize,
    /// Whether it had to leave some.
    is_queue_full: bool,
}

pub(crate) struct Reconciler {
    pub(crate) pool: PgPool,
    pub(crate) repair: Repair,
    pub(crate) producer: Producer,
    /// Higher indices were accepted under another bound: they are neither listed nor calculated.
    pub(crate) max_index: u32,
}

impl Reconciler {
    /// Runs until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        let passes = async {
            loop {
                let passed = tokio::time::timeout(PASS_TIMEOUT, self.pass()).await;
                let outcome = passed.map_err(PassError::from).flatten().unwrap_or_else(|error| {
                    // `redis_up` and readiness report an outage.
                    tracing::debug!(%error, "reconciliation pass failed");
                    PassOutcome::default()
                });
                if outcome.queued > 0 {
                    tracing::info!(
                        queued = outcome.queued,
                        "queued indices whose value was missing"
                    );
                }
                let delay = if outcome.is_queue_full { BACKLOG_INTERVAL } else { PASS_INTERVAL };
                tokio::time::sleep(delay).await;
            }
        };
        token.run_until_cancelled(passes).await;
    }

    async fn pass(&self) -> Result<PassOutcome, PassError> {
        for key in self.repair.remove_foreign_data().await? {
            tracing::warn!(key, "removed foreign data under a key of ours; it will be rebuilt");
        }
        let listed = self.list_newest().await;
        // Values are calculated even when the lists cannot be repaired.
        let mut outcome = self.queue_missing().await?;
        outcome.queued += listed?;
        Ok(outcome)
    }

    async fn list_newest(&self) -> Result<usize, PassError> {
        // Redis is read first: what it lists by then was committed before.
        let listed = self.repair.listed().await?;
        let limit = i64::try_from(MAX_CURRENT_VALUES).unwrap_or(i64::MAX);
        let newest = database::newest_indices(&self.pool, limit, self.max_index).await?;
        let stale = stale_entries(listed, &newest);
        if !stale.is_empty() {
            self.repair.unlist(&stale).await?;
            tracing::info!(entries = stale.len(), "removed stale entries from the lists");
        }
        let mut queued = 0;
        // The oldest first, so that they never evict newer ones.
        for batch in newest.rchunks(BATCH_SIZE) {
            let mut submissions = submissions(batch);
            self.producer.restore(&mut submissions).await?;
            queued += in_state(&submissions, SubmissionState::Queued).count();
        }
        Ok(queued)
    }

    async fn queue_missing(&self) -> Result<PassOutcome, PassError> {
        let limit = i64::try_from(BATCH_SIZE).unwrap_or(i64::MAX);
        let (mut queued, mut after) = (0, None);
        loop {
            let missing = database::find_missing(&self.pool, after, limit, self.max_index).await?;
            let Some(last) = missing.last() else {
                return Ok(PassOutcome { queued, is_queue_full: false });
            };
            after = Some(last.index);
            let mut submissions = submissions(&missing);
            self.producer.backfill(&mut submissions).await?;
            queued += in_state(&submissions, SubmissionState::Queued).count();

            let done: Vec<_> =
                in_state(&submissions, SubmissionState::Done).map(|done| done.index).collect();
            if !done.is_empty() {
                database::mark_done(&self.pool, &done).await?;
            }
            if in_state(&submissions, SubmissionState::Stored).next().is_some() {
                // The rest follows in a later pass.
                return Ok(PassOutcome { queued, is_queue_full: true });
            }
        }
    }
}

/// The entries that cannot be right: the database was replaced, has lost commits, or MAX_INDEX was
/// lowered. They would be shown for ever, or evict newer indices. `newest` was read after `listed`.
fn stale_entries(mut listed: Vec<ListedEntry>, newest: &[IndexWithId]) -> Vec<ListedEntry> {
    let ids: HashMap<String, f64> =
        newest.iter().map(|row| (row.index.to_string(), row.id as f64)).collect();
    // `newest` has every row from this id on, or all rows if it is not full.
    let oldest =
        newest.last().filter(|_| newest.len() >= MAX_CURRENT_VALUES).map(|row| row.id as f64);
    listed.retain(|entry| match (ids.get(&entry.index), entry.id) {
        (Some(newest_id), Some(id)) => id > *newest_id,
        (Some(_), None) => false,
        (None, Some(id)) => oldest.is_none_or(|oldest| id >= oldest),
        // When the list is full, `enqueue.lua` evicts it.
        (None, None) => oldest.is_none(),
    });
    listed
}

fn submissions(rows: &[IndexWithId]) -> Vec<SubmitResponse> {
    let submission = |row: &IndexWithId| SubmitResponse {
        id: row.id,
        ..SubmitResponse::new(row.index, RECONCILER_REQUEST_ID.to_owned(), Hops::default())
    };
    rows.iter().map(submission).collect()
}

fn in_state(
    submissions: &[SubmitResponse],
    state: SubmissionState,
) -> impl Iterator<Item = &SubmitResponse> {
    submissions.iter().filter(move |submission| submission.state == state)
}

#[cfg(test)]
mod tests {
    use contract::Index;

    use super::*;

    fn row(index: u64, id: i64) -> IndexWithId {
        IndexWithId { index: Index::from_number(index, Index::LARGEST).unwrap(), id }
    }

    /// The indices of those of `listed` that are stale.
    fn stale(listed: &[(&str, Option<f64>)], newest: &[IndexWithId]) -> Vec<String> {
        let listed =
            listed.iter().map(|(index, id)| ListedEntry { index: (*index).to_owned(), id: *id });
        stale_entries(listed.collect(), newest).into_iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn everything_that_a_small_database_does_not_have_is_stale() {
        let listed = [
            ("1", Some(1.0)),
            ("2", Some(2.0)),
            ("3", Some(0.5)),
            ("4", None),
            ("2147483648", None),
        ];
        assert_eq!(stale(&listed, &[row(1, 1)]), ["2", "3", "4", "2147483648"]);
    }

    #[test]
    fn an_id_from_the_future_is_stale_and_an_earlier_one_is_not() {
        let listed = [("1", Some(7.0)), ("2", Some(f64::INFINITY)), ("3", Some(2.0)), ("4", None)];
        assert_eq!(stale(&listed, &[row(1, 6), row(2, 5), row(3, 4), row(4, 3)]), ["1", "2"]);
    }

    #[test]
    fn older_indices_of_a_large_database_are_left_to_be_evicted() {
        let newest: Vec<_> = (0..1_000).map(|rank| row(rank, 2_000 - rank.cast_signed())).collect();
        let listed = [
            ("5000", Some(1_000.0)),
            ("5001", Some(1_001.0)),
            ("5002", None),
            ("999", Some(1_001.0)),
        ];
        assert_eq!(stale(&listed, &newest), ["5001"]);
    }
}
