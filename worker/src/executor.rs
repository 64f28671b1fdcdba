//! Takes jobs, calculates their values and stores the results. Each worker thread runs one
//! executor, and one more runs the reclaimed jobs (`maintenance`).
//!
//! An executor takes as many jobs at once as it expects to calculate in a few milliseconds. So
//! small jobs share a round trip, and a large job does not delay jobs that another executor could
//! run.
//!
//! A job whose calculation fails stays in the queue: it is redelivered, and after several
//! deliveries it becomes a dead letter. A job whose result cannot be stored has not failed, so it
//! is released.

use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{iter, mem};

use backon::{BackoffBuilder, ExponentialBackoff};
use contract::Index;
use fibonacci::Value;
use queue::{
    CompletedJob, Connection, Consumer, Job, JobClass, QueueError, ReclaimOutcome, now_micros,
};
use service::{RECONNECT, traces};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::jobs::{self, Jobs};
use crate::metrics::{self, outcome};
use crate::scheduler::{BATCH_DURATION, Scheduler};

/// Longest wait for a job. After it, the executor checks whether it must stop.
const TAKE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long to retry storing results while Redis is unavailable. It is longer than a restart or a
/// failover of Redis takes.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs jobs. It blocks its thread while it calculates.
pub(crate) struct Executor {
    consumer: Consumer,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) token: CancellationToken,
    /// `None` before the first use, after an error, and after [`Self::release_connection`].
    connection: Option<Connection>,
    /// Whether jobs were run since the last [`Self::release_connection`].
    has_run_jobs: bool,
}

/// The result of one call of [`calculate`].
#[derive(Default)]
struct BatchResult {
    completed: Vec<CompletedJob>,
    /// The spans of `completed`, in the same order: for log lines, and in its trace.
    spans: Vec<(Span, Span)>,
    /// Ids of the jobs that failed.
    failed: Vec<String>,
    duration: Duration,
}

impl Executor {
    pub(crate) fn new(consumer: Consumer, jobs: Arc<Jobs>, token: CancellationToken) -> Self {
        Self { consumer, jobs, token, connection: None, has_run_jobs: false }
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
                // At level debug, because `RedisClient::poll_health` reports an outage.
                Err(error) => tracing::debug!(%error, "cannot take jobs"),
            }
            let delay = delays.next().unwrap_or_default();
            self.token.run_until_cancelled(tokio::time::sleep(delay)).await;
        }
    }

    /// Runs jobs until the token is cancelled or jobs cannot be taken. Resets `delays` after each
    /// reply of Redis.
    async fn run_jobs(&mut self, delays: &mut ExponentialBackoff) -> Result<(), QueueError> {
        let mut scheduler = Scheduler::default();
        let jobs = Arc::clone(&self.jobs);
        // Acquired for each batch, so that reclaimed jobs get a permit too.
        while let Some(_permit) = jobs.acquire_permit(&self.token).await {
            if self.token.run_until_cancelled(self.consumer.until_writable()).await.is_none() {
                break;
            }
            // Not cancelled by the token: Redis may have delivered jobs already, and this worker
            // would then not hold them.
            let preference = scheduler.preference();
            let take = async |consumer: &Consumer, connection: &mut Connection| {
                consumer.take(connection, preference, TAKE_TIMEOUT).await
            };
            let batch = self.with_connection(take).await?;
            self.jobs.status.record_reply();
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

    /// To be called when there are no jobs. Closes the connection if it may have sent results,
    /// because its buffer stays as large as the largest of them.
    pub(crate) fn release_connection(&mut self) {
        if mem::take(&mut self.has_run_jobs) {
            self.connection = None;
        }
    }

    async fn create_groups(&mut self) -> Result<(), QueueError> {
        self.with_connection(async |consumer, connection| consumer.create_groups(connection).await)
            .await
    }

    /// Reclaims jobs without heartbeats, and dead-letters those that were delivered too often.
    pub(crate) async fn reclaim(&mut self) -> Result<ReclaimOutcome, QueueError> {
        let reclaim = async |consumer: &Consumer, connection: &mut Connection| {
            consumer.reclaim(connection, Consumer::HEARTBEAT_TIMEOUT).await
        };
        self.with_connection(reclaim).await
    }

    /// Runs `command` on the executor's connection. Closes the connection after an error.
    async fn with_connection<T>(
        &mut self,
        command: impl AsyncFnOnce(&Consumer, &mut Connection) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.consumer.connect(TAKE_TIMEOUT).await?,
        };
        let reply = command(&self.consumer, &mut connection).await?;
        self.connection = Some(connection);
        Ok(reply)
    }

    /// Runs reclaimed jobs. The caller holds a permit.
    pub(crate) async fn run_reclaimed(&mut self, batch: Vec<Job>) {
        // A scheduler of its own, because reclaimed jobs do not count towards the shares of the
        // classes.
        self.run_batch(batch, &mut Scheduler::default()).await;
    }

    async fn run_batch(&mut self, batch: Vec<Job>, scheduler: &mut Scheduler) {
        self.jobs.hold(&batch);
        self.has_run_jobs = true;
        let ids: Vec<String> = batch.iter().map(|job| job.id.clone()).collect();
        let mut batch = batch.into_iter().peekable();
        while let Some(class) = batch.peek().map(|job| job.class)
            && !self.token.is_cancelled()
        {
            // After the shutdown signal, jobs that have started may still be completed, during
            // `CALCULATION_GRACE`.
            let calculate = || calculate(&self.jobs, class, &mut batch);
            let Ok(result) = catch_unwind(AssertUnwindSafe(calculate)) else {
                // The panic hook has logged the panic. Without heartbeats, the jobs are
                // redelivered.
                self.jobs.remove(&ids);
                return;
            };
            scheduler.record(class, result.completed.len() + result.failed.len(), result.duration);
            self.complete(result).await;
        }
    }

    async fn complete(&mut self, result: BatchResult) {
        let BatchResult { completed, spans, failed, .. } = result;
        let ids: Vec<String> = completed.iter().map(|completed| completed.job.id.clone()).collect();
        let stores: Vec<Span> = spans.iter().map(|(_, trace)| store_span(trace)).collect();
        let stored = self.store(&completed).await;
        if let Err(error) = &stored {
            stores.iter().for_each(|store| traces::fail(store, error));
        }
        drop(stores);
        // The end of a span is the last time that it was exited.
        spans.iter().for_each(|(_, trace)| trace.in_scope(|| ()));
        match stored {
            Ok(()) => {
                self.jobs.remove(&ids);
                metrics::count(outcome::DONE, ids.len());
                for (CompletedJob { job, digits, computed, .. }, (span, _)) in
                    completed.iter().zip(spans)
                {
                    let ms = computed.saturating_sub(job.hops.taken) / 1_000;
                    span.in_scope(|| tracing::info!(digits = digits.len(), ms, "calculated"));
                }
            }
            Err(error) => {
                metrics::count(outcome::NOT_STORED, ids.len());
                let jobs = ids.len();
                // `RedisClient::poll_health` reports an outage.
                if error.is_outage() {
                    tracing::debug!(%error, jobs, "results not stored; releasing the jobs");
                } else {
                    tracing::warn!(%error, jobs, "results not stored; releasing the jobs");
                }
                self.jobs.release(&ids);
            }
        }
        self.jobs.remove(&failed);
    }

    /// Stores results. Retries while Redis is unavailable, because an outage is often over before
    /// another worker could calculate them again.
    async fn store(&mut self, completed: &[CompletedJob]) -> Result<(), QueueError> {
        if completed.is_empty() {
            return Ok(());
        }
        let (mut delays, started) = (RECONNECT.build(), Instant::now());
        loop {
            let complete = async |consumer: &Consumer, connection: &mut Connection| {
                consumer.complete(connection, completed).await
            };
            match self.with_connection(complete).await {
                Err(error) if error.is_outage() && started.elapsed() < STORE_TIMEOUT => {
                    tracing::debug!(%error, jobs = completed.len(), "results not stored yet");
                    tokio::time::sleep(delays.next().unwrap_or_default()).await;
                }
                stored => return stored,
            }
        }
    }
}

/// The span of storing the result of a job, which shares the round trip with others.
fn store_span(job: &Span) -> Span {
    tracing::info_span!(
        target: traces::TARGET,
        parent: job,
        "store",
        otel.kind = "client",
        db.system.name = "redis"
    )
}

/// Calculates jobs of `class` until a job of another class follows, or `BATCH_DURATION` has passed.
fn calculate(
    jobs: &Jobs,
    class: JobClass,
    batch: &mut Peekable<impl Iterator<Item = Job>>,
) -> BatchResult {
    let started = Instant::now();
    let mut result = BatchResult::default();
    for job in iter::from_fn(|| batch.next_if(|job| job.class == class)) {
        let (span, trace) = (jobs::span(&job), jobs::trace_span(&job));
        match trace.in_scope(|| span.in_scope(|| calculate_job(jobs, &job))) {
            Some((index, digits)) => {
                result.completed.push(CompletedJob { job, index, digits, computed: now_micros() });
                result.spans.push((span, trace));
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

/// The job's index and the digits of its value; `None` after a failure, which is logged.
fn calculate_job(jobs: &Jobs, job: &Job) -> Option<(Index, String)> {
    let Some(index) = job.index else {
        tracing::error!(job = job.id, "job without a readable index");
        return None;
    };
    let started = Instant::now();
    let span = tracing::info_span!(target: traces::TARGET, "calculation", index = index.get());
    let calculate = |threads| fibonacci::calculate(index.get().into(), threads);
    match span.in_scope(|| jobs.calculate(calculate)) {
        Ok(Value { digits, corrected }) => {
            ::metrics::histogram!("calculation_seconds").record(started.elapsed().as_secs_f64());
            if corrected {
                ::metrics::counter!("corrected_results_total").increment(1);
                tracing::warn!("FFT result uncertain or wrong; recalculated with exact integers");
            }
            Some((index, digits))
        }
        Err(mismatch) => {
            ::metrics::counter!("wrong_results_total").increment(1);
            tracing::error!(%mismatch, "result failed its check");
            None
        }
    }
}
