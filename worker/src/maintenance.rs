//! Sends heartbeats for this worker and its jobs, and reclaims jobs without heartbeats.
//!
//! Heartbeats must continue while all executors calculate, so they are a task of the shared
//! runtime. Reclaimed jobs have to be calculated, so reclaiming has a thread of its own and needs a
//! permit, like the executors.

use std::sync::Arc;
use std::time::Duration;

use queue::{Consumer, QueueError};
use tokio_util::sync::CancellationToken;

use crate::executor::Executor;
use crate::jobs::{self, Jobs};
use crate::metrics::{self, outcome};

/// A sixth of `Consumer::HEARTBEAT_TIMEOUT`.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
const RECLAIM_INTERVAL: Duration = Duration::from_millis(500);

/// Sends heartbeats, and releases jobs whose results cannot be stored, until `token` is cancelled.
pub(crate) async fn send_heartbeats(consumer: Consumer, jobs: Arc<Jobs>, token: CancellationToken) {
    let heartbeats = async {
        loop {
            match send_heartbeat(&consumer, &jobs).await {
                Ok(()) => jobs.status.record_reply(),
                Err(error) => tracing::debug!(%error, "heartbeat not sent"),
            }
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        }
    };
    token.run_until_cancelled(heartbeats).await;
}

async fn send_heartbeat(consumer: &Consumer, jobs: &Jobs) -> Result<(), QueueError> {
    let is_leader = consumer.heartbeat(&jobs.held()).await?;
    jobs.status.set_leader(is_leader);
    let to_release = jobs.take_pending_releases();
    if !to_release.is_empty()
        && let Err(error) = consumer.release(&to_release).await
    {
        jobs.release(&to_release);
        return Err(error);
    }
    Ok(())
}

/// Reclaims jobs and runs them, until the executor's token is cancelled.
pub(crate) async fn reclaim_jobs(mut executor: Executor) {
    let jobs = Arc::clone(&executor.jobs);
    while let Some(permit) = jobs.acquire_permit(&executor.token).await {
        match executor.reclaim().await {
            Ok(reclaimed) => {
                for job in &reclaimed.dead_lettered {
                    jobs::span(job).in_scope(|| tracing::error!("job became a dead letter"));
                }
                for job in &reclaimed.claimed {
                    jobs::span(job).in_scope(|| {
                        tracing::warn!("job reclaimed: its worker sent no heartbeat or released it")
                    });
                }
                metrics::count(outcome::DEAD_LETTERED, reclaimed.dead_lettered.len());
                metrics::count(outcome::RECLAIMED, reclaimed.claimed.len());
                if !reclaimed.claimed.is_empty() || !reclaimed.dead_lettered.is_empty() {
                    executor.run_reclaimed(reclaimed.claimed).await;
                    // There may be more, so do not wait.
                    continue;
                }
                executor.release_connection();
            }
            // The executors of the worker threads create the groups.
            Err(QueueError::NoGroup) => {}
            Err(error) => tracing::debug!(%error, "cannot reclaim jobs"),
        }
        drop(permit);
        executor.token.run_until_cancelled(tokio::time::sleep(RECLAIM_INTERVAL)).await;
    }
}
