//! Takes jobs, calculates them, stores their results. A worker runs one executor a thread.
//!
//! An executor takes as many jobs at once as it expects to finish in a few milliseconds: small ones
//! share a round trip, and a large one does not hold others back. A job that fails stays in the
//! queue: it is redelivered, and becomes a dead letter when it fails again and again. A job whose
//! result Redis refuses has not failed: it is released.

use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{iter, mem};

use backon::{BackoffBuilder, ExponentialBackoff};
use fibonacci::Value;
use queue::{
    CompletedJob, Connection, Consumer, Job, JobClass, QueueError, ReclaimOutcome, now_micros,
};
use service::RECONNECT;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::jobs::{self, Jobs};
use crate::metrics::{self, outcome};
use crate::scheduler::{BATCH_DURATION, Scheduler};

/// How long an executor waits for a job before it checks for shutdown.
const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// How long results are kept while Redis is unavailable: longer than a restart or a failover.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs jobs. It blocks its thread while it calculates.
pub(crate) struct Executor {
    consumer: Consumer,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) token: CancellationToken,
    /// `None` until it is needed, and after an error.
    connection: Option<Connection>,
    /// Whether results were sent since the connection was last released.
    has_sent_results: bool,
}

/// Outcome of the jobs that were run.
#[derive(Default)]
struct BatchResult {
    done: Vec<CompletedJob>,
    /// The spans of `done`.
    spans: Vec<Span>,
    /// Ids of jobs that failed.
    failed: Vec<String>,
    duration: Duration,
}

impl Executor {
    pub(crate) fn new(consumer: Consumer, jobs: Arc<Jobs>, token: CancellationToken) -> Self {
        Self { consumer, jobs, token, connection: None, has_sent_results: false }
    }

    /// Runs until the token is cancelled.
    pub(crate) async fn run(mut self) {
        let mut delays = RECONNECT.build();
        while !self.token.is_cancelled() {
            match self.run_jobs(&mut delays).await {
                Ok(()) => return,
                Err(QueueError::NoGroup) => match self.create_groups().await {
                    Ok(()) => tracing::info!("consumer groups created"),
                    Err(error) => tracing::debug!(%error, "cannot create the consumer groups"),
                },
                // `RedisClient::poll_health` reports an outage.
                Err(error) => tracing::debug!(%error, "cannot take jobs"),
            }
            let delay = delays.next().unwrap_or_default();
            self.token.run_until_cancelled(tokio::time::sleep(delay)).await;
        }
    }

    /// Returns after shutdown, or with the first error. A success resets `delays`.
    async fn run_jobs(&mut self, delays: &mut ExponentialBackoff) -> Result<(), QueueError> {
        let mut scheduler = Scheduler::default();
        // Acquired for each batch, because reclaiming waits for a permit as well.
        let held = Arc::clone(&self.jobs);
        while let Some(_permit) = held.acquire(&self.token).await {
            if self.token.run_until_cancelled(self.consumer.until_writable()).await.is_none() {
                break;
            }
            // Not cancelled by the token: a reply on its way would carry jobs that nobody holds.
            let preference = scheduler.preference();
            let take = async |consumer: &Consumer, connection: &mut Connection| {
                consumer.take(connection, preference, READ_TIMEOUT).await
            };
            let batch = self.with_connection(take).await?;
            self.jobs.status.note_answer();
            *delays = RECONNECT.build();
            if batch.is_empty() {
                self.release_connection();
            } else {
                ::metrics::counter!("jobs_taken_total").increment(batch.len() as u64);
                self.run_batch(batch, &mut scheduler).await;
            }
        }
        Ok(())
    }

    /// Drops the connection, whose buffer has grown to the largest result, when there is nothing to
    /// do.
    pub(crate) fn release_connection(&mut self) {
        if mem::take(&mut self.has_sent_results) {
            self.connection = None;
        }
    }

    async fn create_groups(&mut self) -> Result<(), QueueError> {
        self.with_connection(async |consumer, connection| consumer.create_groups(connection).await)
            .await
    }

    /// Reclaims jobs of workers without heartbeats, and dead-letters those that were delivered too
    /// often.
    pub(crate) async fn reclaim(&mut self) -> Result<ReclaimOutcome, QueueError> {
        let reclaim = async |consumer: &Consumer, connection: &mut Connection| {
            consumer.reclaim(connection, Consumer::HEARTBEAT_TIMEOUT).await
        };
        self.with_connection(reclaim).await
    }

    /// Runs `command` on the executor's connection. After an error, the connection is replaced.
    async fn with_connection<T>(
        &mut self,
        command: impl AsyncFnOnce(&Consumer, &mut Connection) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.consumer.connect(READ_TIMEOUT).await?,
        };
        let reply = command(&self.consumer, &mut connection).await?;
        self.connection = Some(connection);
        Ok(reply)
    }

    /// Runs reclaimed jobs. The caller holds a permit.
    pub(crate) async fn run_reclaimed(&mut self, batch: Vec<Job>) {
        // They count towards no class's share.
        self.run_batch(batch, &mut Scheduler::default()).await;
    }

    async fn run_batch(&mut self, batch: Vec<Job>, scheduler: &mut Scheduler) {
        self.jobs.add(&batch);
        self.has_sent_results = true;
        let ids: Vec<String> = batch.iter().map(|job| job.id.clone()).collect();
        let mut batch = batch.into_iter().peekable();
        while let Some(class) = batch.peek().map(|job| job.class)
            && !self.token.is_cancelled()
        {
            // A job that has started is finished even after the shutdown signal: see
            // `CALCULATION_GRACE`.
            let calculate = || calculate(&self.jobs, class, &mut batch);
            let Ok(result) = catch_unwind(AssertUnwindSafe(calculate)) else {
                // Logged by the panic hook. Without heartbeats, the jobs are redelivered.
                self.jobs.remove(&ids);
                return;
            };
            scheduler.record(class, result.done.len() + result.failed.len(), result.duration);
            self.finish(result).await;
        }
    }

    async fn finish(&mut self, result: BatchResult) {
        let done = &result.done;
        let ids =
            |done: &[CompletedJob]| done.iter().map(|done| done.job.id.clone()).collect::<Vec<_>>();
        match self.store(done).await {
            Ok(()) => {
                self.jobs.remove(&ids(done));
                metrics::count(outcome::DONE, done.len());
                for (done, span) in done.iter().zip(&result.spans) {
                    let ms = done.computed.saturating_sub(done.job.hops.taken) / 1_000;
                    span.in_scope(|| tracing::info!(digits = done.digits.len(), ms, "calculated"));
                }
            }
            Err(error) => {
                metrics::count(outcome::NOT_STORED, done.len());
                // An outage is reported by `RedisClient::poll_health`.
                if error.is_outage() {
                    tracing::debug!(%error, jobs = done.len(), "results not stored; releasing the jobs");
                } else {
                    tracing::warn!(%error, jobs = done.len(), "results not stored; releasing the jobs");
                }
                self.jobs.release(&ids(done));
            }
        }
        self.jobs.remove(&result.failed);
    }

    /// Stores results. While Redis is unavailable it retries: Redis may come back sooner than they
    /// are calculated again.
    async fn store(&mut self, done: &[CompletedJob]) -> Result<(), QueueError> {
        let (mut delays, started) = (RECONNECT.build(), Instant::now());
        while !done.is_empty() {
            let finish = async |consumer: &Consumer, connection: &mut Connection| {
                consumer.complete(connection, done).await
            };
            match self.with_connection(finish).await {
                Err(error) if error.is_outage() && started.elapsed() < STORE_TIMEOUT => {
                    tracing::debug!(%error, jobs = done.len(), "results not stored yet");
                    tokio::time::sleep(delays.next().unwrap_or_default()).await;
                }
                outcome => return outcome,
            }
        }
        Ok(())
    }
}

/// Calculates jobs of `class` until one of another class follows, or their results should not wait
/// any longer.
fn calculate(
    jobs: &Jobs,
    class: JobClass,
    batch: &mut Peekable<impl Iterator<Item = Job>>,
) -> BatchResult {
    let started = Instant::now();
    let mut result = BatchResult::default();
    for job in iter::from_fn(|| batch.next_if(|job| job.class == class)) {
        let span = jobs::span(&job);
        let digits = span.in_scope(|| calculate_job(jobs, &job));
        match digits.zip(job.index) {
            Some((digits, index)) => {
                result.done.push(CompletedJob { job, index, digits, computed: now_micros() });
                result.spans.push(span);
            }
            None => result.failed.push(job.id),
        }
        result.duration = started.elapsed();
        if result.duration >= BATCH_DURATION {
            break;
        }
    }
    result
}

/// The digits of the job's value; `None` when it failed, which is logged.
fn calculate_job(jobs: &Jobs, job: &Job) -> Option<String> {
    let Some(index) = job.index else {
        tracing::error!(job = job.id, "job without a readable index");
        return None;
    };
    let started = Instant::now();
    match jobs.calculate(|threads| fibonacci::calculate(index.get().into(), threads)) {
        Ok(Value { digits, corrected }) => {
            ::metrics::histogram!("calculation_seconds").record(started.elapsed().as_secs_f64());
            if corrected {
                ::metrics::counter!("corrected_results_total").increment(1);
                tracing::warn!("uncertain rounding; recalculated with exact integers");
            }
            Some(digits)
        }
        Err(mismatch) => {
            ::metrics::counter!("wrong_results_total").increment(1);
            tracing::error!(%mismatch, "result failed its check");
            None
        }
    }
}
