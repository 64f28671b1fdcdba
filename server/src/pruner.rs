//! Measures the database, and deletes the oldest submissions beyond MAX_SUBMISSIONS. The table `indices`, which has the
//! distinct indices and their counts, keeps all its rows.
//!
//! Each statement deletes a few thousand rows and skips locked ones, so no submission waits and
//! several apis may prune at the same time.

use std::num::NonZeroU64;
use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::database;

const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Delay after a batch, so that other statements have Postgres for most of the time.
const BATCH_INTERVAL: Duration = Duration::from_millis(200);
/// Rows per statement, which take less than 0.1 s.
const BATCH_SIZE: i64 = 5_000;

pub(crate) struct Pruner {
    pub(crate) pool: PgPool,
    /// Number of submissions to keep; `None` keeps all.
    pub(crate) max_submissions: Option<NonZeroU64>,
}

impl Pruner {
    /// Runs until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        let pruning = async {
            loop {
                let delay = match self.prune().await {
                    Ok(0) => CHECK_INTERVAL,
                    Ok(pruned) => {
                        metrics::counter!("pruned_submissions_total").increment(pruned);
                        BATCH_INTERVAL
                    }
                    // `postgres_up` and readiness report an outage.
                    Err(error) => {
                        tracing::debug!(%error, "pruning failed");
                        CHECK_INTERVAL
                    }
                };
                tokio::time::sleep(delay).await;
            }
        };
        token.run_until_cancelled(pruning).await;
    }

    /// Reports the size of the database and the number of submissions, and deletes a batch of the oldest beyond
    /// `max_submissions`. Returns the number of deleted rows.
    async fn prune(&self) -> sqlx::Result<u64> {
        let ids = database::submission_ids(&self.pool).await?;
        // An upper bound, because ids may have gaps. Counting the rows would read the whole table.
        let count = ids.as_ref().map_or(0, |ids| ids.newest.abs_diff(ids.oldest) + 1);
        metrics::gauge!("stored_submissions").set(count as f64);
        let bytes = database::size(&self.pool).await?;
        metrics::gauge!("postgres_database_bytes").set(bytes as f64);
        match ids.zip(self.max_submissions) {
            Some((ids, max)) if count > max.get() => {
                let up_to = ids.newest.saturating_sub_unsigned(max.get());
                database::delete_submissions(&self.pool, up_to, BATCH_SIZE).await
            }
            _ => Ok(0),
        }
    }
}
