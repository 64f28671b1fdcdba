//! Signs of life for this worker and its jobs, and taking over the jobs of workers that give none.
//!
//! The first goes on while all lanes calculate, which is why it is a task of the shared runtime. Taking over waits for its
//! turn among them, and has a thread as they have.

use std::sync::Arc;
use std::time::Duration;

use queue::{Consumer, Error};
use tokio_util::sync::CancellationToken;

use crate::lane::Lane;
use crate::work::Work;

/// Pause between two signs of life: a third of the silence after which jobs are taken over.
const BEAT: Duration = Duration::from_secs(1);
/// Pause between two looks for abandoned jobs.
const LOOK: Duration = Duration::from_millis(500);

/// Gives signs of life until `token` is cancelled.
pub(crate) async fn beat(consumer: Consumer, work: Arc<Work>, token: CancellationToken) {
    token
        .run_until_cancelled(async {
            loop {
                match consumer.beat(&work.entries()).await {
                    Ok(()) => work.note_answer(),
                    Err(error) => tracing::debug!(%error, "no sign of life could be given"),
                }
                tokio::time::sleep(BEAT).await;
            }
        })
        .await;
}

/// Takes over abandoned jobs and does them, each in turn with the lanes' own, until the token of `lane` is cancelled.
pub(crate) async fn take_over(mut lane: Lane) {
    let work = Arc::clone(&lane.work);
    while let Some(turn) = work.turn(&lane.token).await {
        match lane.reclaim().await {
            Ok(reclaimed) => {
                for job in &reclaimed.buried {
                    let (request_id, index) = (&job.request_id, job.index.map(contract::Index::get));
                    tracing::error!(request_id, index, "a job was given up: it is a dead letter now");
                    metrics::counter!("jobs_total", "outcome" => "given_up").increment(1);
                }
                for job in &reclaimed.taken {
                    let (request_id, index) = (&job.request_id, job.index.map(contract::Index::get));
                    tracing::warn!(request_id, index, "a job was taken over from a silent worker");
                    metrics::counter!("jobs_total", "outcome" => "taken_over").increment(1);
                }
                if !reclaimed.taken.is_empty() || !reclaimed.buried.is_empty() {
                    lane.do_taken(reclaimed.taken).await;
                    // There may be more of them.
                    continue;
                }
                lane.rest();
            }
            // The lanes make the group.
            Err(Error::NoGroup) => {}
            Err(error) => tracing::debug!(%error, "cannot look for abandoned jobs"),
        }
        drop(turn);
        lane.token.run_until_cancelled(tokio::time::sleep(LOOK)).await;
    }
}
