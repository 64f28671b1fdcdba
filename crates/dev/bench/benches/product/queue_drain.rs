//! The queue: small jobs per second through one worker, and the gain from a second worker for large
//! jobs.
//!
//! The queue is filled while the workers are frozen. Then its length is sampled while they empty
//! it. Only the time from one tenth to nine tenths of the jobs counts, because a worker may be idle
//! at the start and at the end.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use contract::{Hops, Index, SubmitResponse};
use e2e::Site;
use queue::{Producer, QueueMonitor, RedisClient};
use stack::SystemOptions;

use crate::production;

const ROUNDS: usize = 7;

/// The number of small jobs in a round, for the indices from 0.
const SMALL_JOBS: u32 = 10_000;

/// Large jobs of a round: the largest ones below the default MAX_INDEX, which calculate for about
/// 24 ms each, and jobs that calculate for about 0.4 s. Redis gets 1 and 10 MB with each result and
/// runs on the same cores. The jobs of the first range are so many that Redis rewrites its
/// append-only file as often as in the long run.
const LARGE_JOBS: [(&str, Range<u32>); 2] = [
    ("F(9,999,000) to F(9,999,999)", 9_999_000..10_000_000),
    ("F(100,000,000) to F(100,000,059)", 100_000_000..100_000_060),
];

/// Variables for workers that use one core each.
const ONE_THREAD: &[(&str, &str)] = &[("WORKER_THREADS", "1")];

/// Time allowed for a round, which takes seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Time between two samples of the queue's length for small jobs. It is short compared to a round,
/// and long compared to the 0.2 ms of CPU time that a sample takes.
const SMALL_SAMPLE_INTERVAL: Duration = Duration::from_millis(5);

/// The same for large jobs, whose rounds take longer.
const LARGE_SAMPLE_INTERVAL: Duration = Duration::from_millis(25);

/// The number of submissions that are enqueued by one call.
const SUBMISSION_BATCH: usize = 500;

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut small = Vec::new();
    for _ in 0..ROUNDS {
        small.push(drain(1, &[], 0..SMALL_JOBS, SMALL_SAMPLE_INTERVAL).await?);
    }
    let unit = "jobs/s";
    let mut figures = vec![Figure::more_is_better(
        "small jobs through one worker process, F(0) to F(9,999)",
        unit,
        Sample::new(small),
        Goal::AtLeast(20_000.0),
    )];
    for (jobs, indices) in LARGE_JOBS {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            one.push(drain(1, ONE_THREAD, indices.clone(), LARGE_SAMPLE_INTERVAL).await?);
            two.push(drain(2, ONE_THREAD, indices.clone(), LARGE_SAMPLE_INTERVAL).await?);
        }
        let title = format!("large jobs through two workers of one thread, {jobs}");
        let figure = Figure::more_is_better(title, unit, Sample::new(two), Goal::Times(1.8));
        figures.push(figure.against("one worker of one thread", Sample::new(one)));
    }
    Ok(figures)
}

/// Jobs per second while `workers` workers with these variables empty a queue of `indices`.
async fn drain(
    workers: usize,
    env: &[(&'static str, &str)],
    indices: Range<u32>,
    interval: Duration,
) -> Result<f64> {
    let worker_env = env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let system = Site::start_with(SystemOptions { workers, worker_env, ..production() });
    // The api would unlist these indices, because they are not in Postgres.
    system.servers[0].stop()?;
    for worker in &system.workers {
        worker.freeze()?;
    }
    let redis = RedisClient::open(&system.redis.url())?;
    let (producer, monitor) =
        (Producer::new(redis.clone(), indices.len()), QueueMonitor::new(redis));
    let mut submissions: Vec<SubmitResponse> = indices.clone().filter_map(submission).collect();
    for batch in submissions.chunks_mut(SUBMISSION_BATCH) {
        producer.submit(batch.iter_mut().map(|submission| (submission, ""))).await?;
    }
    let start = Instant::now();
    for worker in &system.workers {
        worker.thaw()?;
    }
    let tenth = indices.len() / 10;
    let mut first_sample = None;
    loop {
        let left = usize::try_from(monitor.stats().await?.queue_length.jobs())?;
        ensure!(
            start.elapsed() < DRAIN_TIMEOUT,
            "nine tenths of the jobs took more than {DRAIN_TIMEOUT:?}"
        );
        match first_sample {
            None if left <= indices.len() - tenth => first_sample = Some((left, Instant::now())),
            Some((before, since)) if left <= tenth => {
                return Ok((before - left) as f64 / since.elapsed().as_secs_f64());
            }
            _ => {}
        }
        tokio::time::sleep(interval).await;
    }
}

fn submission(index: u32) -> Option<SubmitResponse> {
    let id = i64::from(index) + 1;
    let index = Index::from_number(index.into(), Index::LARGEST).ok()?;
    Some(SubmitResponse { id, ..SubmitResponse::new(index, "bench".to_owned(), Hops::default()) })
}
