//! One lane: takes jobs, calculates them, finishes them, and again. A worker runs several beside each other.
//!
//! A lane takes as many jobs at once as it expects to do in a few milliseconds: small ones share a round trip,
//! and a large one does not keep others from jobs that this lane could not start yet. A job that fails is left as
//! it is: it is redelivered, and becomes a dead letter when it fails again and again. A result is kept until Redis
//! takes it.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Index;
use fibonacci::Value;
use queue::{Connection, Consumer, Done, Error, Job, Reclaimed, now_micros};
use service::Backoff;
use tokio_util::sync::CancellationToken;

use crate::work::Work;

/// How long a lane waits for a job before it looks whether it should stop.
const BLOCK: Duration = Duration::from_millis(500);
/// Work a lane takes at once.
const SHARE: Duration = Duration::from_millis(5);
/// Jobs a lane takes at once at most.
const MOST: usize = 64;
/// Waits after an error: the first, and the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
/// How long results are kept for a Redis that does not take them.
const KEEP: Duration = Duration::from_secs(60);

/// One lane of a worker. It keeps its thread busy while it calculates.
pub(crate) struct Lane {
    consumer: Consumer,
    pub(crate) work: Arc<Work>,
    pub(crate) token: CancellationToken,
    /// None before it is needed, and after an error.
    connection: Option<Connection>,
    /// Whether it has done jobs since it rested.
    has_worked: bool,
}

/// How long a job takes, from those that were done.
struct Pace(Duration);

impl Lane {
    /// Takes no jobs yet.
    pub(crate) fn new(consumer: Consumer, work: Arc<Work>, token: CancellationToken) -> Self {
        Self { consumer, work, token, connection: None, has_worked: false }
    }

    /// Runs until the token is cancelled.
    pub(crate) async fn run(mut self) {
        let mut backoff = BACKOFF;
        while !self.token.is_cancelled() {
            match self.work_until_an_error(&mut backoff).await {
                Ok(()) => return,
                Err(Error::NoGroup) => match self.create_group().await {
                    Ok(()) => tracing::info!("the consumer group was made"),
                    Err(error) => tracing::warn!(%error, "the consumer group cannot be made"),
                },
                Err(error) => tracing::warn!(%error, "cannot take jobs"),
            }
            self.token.run_until_cancelled(backoff.pause()).await;
        }
    }

    async fn work_until_an_error(&mut self, backoff: &mut Backoff) -> Result<(), Error> {
        let mut pace = Pace(SHARE);
        // Asked for anew each time: whoever takes over waits for one too.
        let work = Arc::clone(&self.work);
        while let Some(_turn) = work.turn(&self.token).await {
            // Not cut off by the token: an answer under way would carry jobs that nobody then has.
            let count = pace.share();
            let jobs =
                self.ask(async |consumer, connection| consumer.take(connection, count, BLOCK).await).await?;
            self.work.note_answer();
            backoff.reset();
            if jobs.is_empty() {
                self.rest();
            } else {
                metrics::counter!("jobs_taken_total").increment(jobs.len() as u64);
                self.work.begin(&jobs);
                self.do_all(jobs, &mut pace).await;
            }
        }
        Ok(())
    }

    /// There was nothing to do: the connection goes, which keeps as much memory as it has ever sent.
    pub(crate) fn rest(&mut self) {
        if mem::take(&mut self.has_worked) {
            self.connection = None;
        }
    }

    async fn create_group(&mut self) -> Result<(), Error> {
        self.ask(async |consumer, connection| consumer.create_group(connection).await).await
    }

    /// Takes over jobs whose worker fell silent, and gives up those that were tried too often.
    pub(crate) async fn reclaim(&mut self) -> Result<Reclaimed, Error> {
        self.ask(async |consumer, connection| consumer.reclaim(connection, Consumer::SILENCE).await).await
    }

    /// Asks for something on the lane's own connection; one that has seen an error is not used again.
    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&Consumer, &mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.consumer.connect(BLOCK).await?,
        };
        let answer = question(&self.consumer, &mut connection).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Does jobs that this worker has taken, in order. The caller holds the turn.
    pub(crate) async fn do_taken(&mut self, jobs: Vec<Job>) {
        self.work.begin(&jobs);
        self.do_all(jobs, &mut Pace(SHARE)).await;
    }

    async fn do_all(&mut self, jobs: Vec<Job>, pace: &mut Pace) {
        self.has_worked = true;
        let entries: Vec<String> = jobs.iter().map(|job| job.entry.clone()).collect();
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() && !self.token.is_cancelled() {
            // A job that has been started is finished even when the worker is asked to stop: see `application`.
            let Ok(part) = catch_unwind(AssertUnwindSafe(|| calculate(&self.work, &mut jobs))) else {
                tracing::error!("a calculation panicked");
                // Without signs of life its jobs are redelivered.
                self.work.end(&entries);
                return;
            };
            pace.learn(&part);
            self.finish(part).await;
        }
    }

    async fn finish(&mut self, part: Part) {
        let entries: Vec<String> =
            part.done.iter().map(|done| done.job.entry.clone()).chain(part.failed).collect();
        match self.store(&part.done).await {
            Ok(()) => {
                metrics::counter!("jobs_total", "outcome" => "done").increment(part.done.len() as u64);
                for done in &part.done {
                    let ms = done.computed.saturating_sub(done.job.hops.taken) / 1_000;
                    let (request_id, index) = (&done.job.request_id, done.index.get());
                    tracing::info!(request_id, index, digits = done.digits.len(), ms, "calculated");
                }
            }
            Err(error) => {
                metrics::counter!("jobs_total", "outcome" => "not_stored").increment(part.done.len() as u64);
                tracing::warn!(%error, jobs = part.done.len(), "results could not be stored; they will be calculated again");
            }
        }
        self.work.end(&entries);
    }

    /// Stores results, and tries again while Redis is away: it may come back sooner than they are calculated again.
    async fn store(&mut self, done: &[Done]) -> Result<(), Error> {
        let (mut backoff, started) = (BACKOFF, Instant::now());
        while !done.is_empty() {
            match self.ask(async |consumer, connection| consumer.finish(connection, done).await).await {
                Err(error) if started.elapsed() < KEEP => {
                    tracing::warn!(%error, jobs = done.len(), "results cannot be stored yet");
                    backoff.pause().await;
                }
                outcome => return outcome,
            }
        }
        Ok(())
    }
}

/// What came of some jobs.
#[derive(Default)]
struct Part {
    done: Vec<Done>,
    /// Entries of jobs that failed.
    failed: Vec<String>,
    took: Duration,
}

/// Calculates until the jobs are at an end or their results should not wait any longer.
fn calculate(work: &Work, jobs: &mut impl Iterator<Item = Job>) -> Part {
    let started = Instant::now();
    let mut part = Part::default();
    while part.took < SHARE {
        let Some(job) = jobs.next() else { break };
        let begun = Instant::now();
        let calculate =
            |index: Index| work.calculate(|threads| fibonacci::calculate(index.get().into(), threads));
        match job.index.map(|index| (index, calculate(index))) {
            Some((index, Ok(Value { digits, corrected }))) => {
                metrics::histogram!("calculation_seconds").record(begun.elapsed().as_secs_f64());
                if corrected {
                    metrics::counter!("corrected_results_total").increment(1);
                    let (request_id, index) = (&job.request_id, index.get());
                    tracing::warn!(request_id, index, "an uncertain result was calculated again in integers");
                }
                part.done.push(Done { job, index, digits, computed: now_micros() });
            }
            Some((_, Err(mismatch))) => {
                metrics::counter!("wrong_results_total").increment(1);
                tracing::error!(request_id = job.request_id, %mismatch, "a result failed its check");
                part.failed.push(job.entry);
            }
            None => {
                tracing::error!(entry = job.entry, "a job without a readable index");
                part.failed.push(job.entry);
            }
        }
        part.took = started.elapsed();
    }
    part
}

impl Pace {
    /// How many jobs to take at once.
    fn share(&self) -> usize {
        let each = self.0.as_nanos().max(1);
        usize::try_from(SHARE.as_nanos() / each).unwrap_or(MOST).clamp(1, MOST)
    }

    fn learn(&mut self, part: &Part) {
        let count = u32::try_from(part.done.len() + part.failed.len()).unwrap_or(u32::MAX);
        if let Some(each) = part.took.checked_div(count) {
            // Slower at once, faster gradually: a large job is likely followed by another.
            self.0 = if each > self.0 { each } else { (self.0 * 3 + each) / 4 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_many_small_jobs_at_once_and_large_ones_singly() {
        let part =
            |each: Duration| Part { failed: vec![String::new(); 4], took: each * 4, ..Part::default() };
        let mut pace = Pace(SHARE);
        assert_eq!(pace.share(), 1);
        for _ in 0..40 {
            pace.learn(&part(Duration::from_micros(10)));
        }
        assert_eq!(pace.share(), MOST);
        pace.learn(&part(Duration::from_millis(300)));
        assert_eq!(pace.share(), 1);
    }
}
