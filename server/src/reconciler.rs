//! Rebuilds from Postgres what Redis has lost, so that every accepted index gets its value.
//!
//! A pass runs once a second. It deletes foreign data under our keys, and unlists indices that
//! Postgres does not have or that exceed MAX_INDEX. Then it lists the newest 1,000 indices again
//! and queues those without a value. Finally it goes through all indices that are not marked as
//! done in Postgres: it marks those whose value is in Redis, and queues the others. They were
//! accepted while Redis was unavailable or the queue was full, or Redis has lost their jobs. An
//! older index whose value has expired is not queued here, but when a client requests its digits.
//!
//! Every step is idempotent, so several apis may run passes at the same time.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use contract::{Hops, SubmissionState, SubmitResponse};
use queue::{ListedEntry, MAX_CURRENT_VALUES, Producer, Repair};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::database::{self, IndexWithId};

const PASS_INTERVAL: Duration = Duration::from_secs(1);
/// Delay after a pass that did not fit all missing indices into the queue.
const BACKLOG_INTERVAL: Duration = Duration::from_millis(250);
/// A pass that takes longer is cancelled, because Postgres or Redis does not respond. The batches
/// that it has completed are kept.
const PASS_TIMEOUT: Duration = Duration::from_secs(10);
/// Indices per script. A script for this many blocks Redis for about a millisecond.
const BATCH_SIZE: usize = 250;
/// The request id of repair jobs in logs and events.
const RECONCILER_REQUEST_ID: &str = "reconcile";

/// An error of Postgres or Redis, or a timeout.
type PassError = Box<dyn Error + Send + Sync>;

#[derive(Default)]
struct PassOutcome {
    /// Number of indices that the pass has queued.
    queued: usize,
    /// Whether some missing indices did not fit into the queue.
    is_queue_full: bool,
}

pub(crate) struct Reconciler {
    pub(crate) pool: PgPool,
    pub(crate) repair: Repair,
    pub(crate) producer: Producer,
    /// Higher indices were accepted under another MAX_INDEX. They are neither listed nor queued.
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
                metrics::counter!("requeued_indices_total").increment(outcome.queued as u64);
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
        let newest_queued = self.list_newest().await;
        // Queue the missing indices even if the lists cannot be repaired.
        let mut outcome = self.queue_missing().await?;
        outcome.queued += newest_queued?;
        Ok(outcome)
    }

    /// Repairs the lists, and queues the listed indices without a value. Returns how many it has
    /// queued.
    async fn list_newest(&self) -> Result<usize, PassError> {
        // Read Redis first: an index is committed before it is listed, so Postgres then has it.
        let listed = self.repair.listed().await?;
        let limit = i64::try_from(MAX_CURRENT_VALUES).unwrap_or(i64::MAX);
        let newest = database::newest_indices(&self.pool, limit, self.max_index).await?;
        let stale = stale_entries(listed, &newest);
        if !stale.is_empty() {
            self.repair.unlist(&stale).await?;
            tracing::info!(entries = stale.len(), "removed stale entries from the lists");
        }
        let mut queued = 0;
        // Start with the oldest batch, so that no index evicts a newer one.
        for batch in newest.rchunks(BATCH_SIZE) {
            let mut submissions = to_submissions(batch);
            self.producer.restore(&mut submissions).await?;
            queued += in_state(&submissions, SubmissionState::Queued).count();
        }
        Ok(queued)
    }

    /// Marks indices whose value is in Redis as done, and queues the other missing ones.
    async fn queue_missing(&self) -> Result<PassOutcome, PassError> {
        let limit = i64::try_from(BATCH_SIZE).unwrap_or(i64::MAX);
        let (mut queued, mut after) = (0, None);
        loop {
            let missing = database::find_missing(&self.pool, after, limit, self.max_index).await?;
            let Some(last) = missing.last() else {
                return Ok(PassOutcome { queued, is_queue_full: false });
            };
            after = Some(last.index);
            let mut submissions = to_submissions(&missing);
            self.producer.backfill(&mut submissions).await?;
            queued += in_state(&submissions, SubmissionState::Queued).count();

            let done: Vec<_> =
                in_state(&submissions, SubmissionState::Done).map(|done| done.index).collect();
            if !done.is_empty() {
                database::mark_done(&self.pool, &done).await?;
            }
            if in_state(&submissions, SubmissionState::Stored).next().is_some() {
                // The next pass continues.
                return Ok(PassOutcome { queued, is_queue_full: true });
            }
        }
    }
}

/// The entries that contradict Postgres, because the database was replaced or has lost commits, or
/// MAX_INDEX was lowered. They would be listed forever or evict newer indices. `newest` must be
/// read after `listed`.
fn stale_entries(mut listed: Vec<ListedEntry>, newest: &[IndexWithId]) -> Vec<ListedEntry> {
    let ids: HashMap<String, f64> =
        newest.iter().map(|row| (row.index.to_string(), row.id as f64)).collect();
    // `newest` has all rows from this id on. `None` if it has all rows of the table.
    let oldest_id =
        newest.last().filter(|_| newest.len() >= MAX_CURRENT_VALUES).map(|row| row.id as f64);
    listed.retain(|entry| match (ids.get(&entry.index), entry.id) {
        (Some(newest_id), Some(id)) => id > *newest_id,
        (Some(_), None) => false,
        // With a lower id, the row may be in Postgres although it is not in `newest`.
        (None, Some(id)) => oldest_id.is_none_or(|oldest| id >= oldest),
        // The same without an id. `enqueue.lua` evicts such entries when the list is full.
        (None, None) => oldest_id.is_none(),
    });
    listed
}

fn to_submissions(rows: &[IndexWithId]) -> Vec<SubmitResponse> {
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

    /// The indices of the stale entries among `listed`.
    fn stale(listed: &[(&str, Option<f64>)], newest: &[IndexWithId]) -> Vec<String> {
        let listed =
            listed.iter().map(|(index, id)| ListedEntry { index: (*index).to_owned(), id: *id });
        stale_entries(listed.collect(), newest).into_iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn an_index_that_postgres_does_not_have_is_stale() {
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
    fn an_entry_with_a_higher_id_than_in_postgres_is_stale() {
        let listed = [("1", Some(7.0)), ("2", Some(f64::INFINITY)), ("3", Some(2.0)), ("4", None)];
        assert_eq!(stale(&listed, &[row(1, 6), row(2, 5), row(3, 4), row(4, 3)]), ["1", "2"]);
    }

    #[test]
    fn entries_older_than_the_newest_1000_indices_are_not_stale() {
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
