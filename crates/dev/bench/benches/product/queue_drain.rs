//! The queue: small jobs a second through one worker, and what a second one adds to large jobs.
//!
//! The queue is filled while the workers are frozen, then watched. Only the time between a tenth
//! and nine tenths counts: at the start and at the end a worker may be idle.

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

/// Small jobs of one round: indices from 0, each once.
const SMALL: u32 = 10_000;

/// Large jobs of one round: the largest below the default MAX_INDEX, 14 ms each, and jobs of a
/// fifth of a second. Redis gets megabytes with each and runs on the same cores; of the first kind
/// there are enough that it rewrites its append-only file as often as in the long run.
const LARGE: [(&str, Range<u32>); 2] = [
    ("F(9,999,000) to F(9,999,999)", 9_999_000..10_000_000),
    ("60 from F(100,000,000)", 100_000_000..100_000_060),
];

/// One worker uses one core.
const ONE_THREAD: &[(&str, &str)] = &[("WORKER_THREADS", "1")];

/// A round takes seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Time between two samples of the queue's length for small jobs: short against a round, and long
/// against the 0.2 ms of CPU time that a sample takes.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(5);

/// The same for large jobs, of which a round takes seconds.
const LONG_SAMPLE_INTERVAL: Duration = Duration::from_millis(25);

/// Requests put into the queue at a time.
const SUBMISSION_BATCH: usize = 500;

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut small = Vec::new();
    for _ in 0..ROUNDS {
        small.push(drain(1, &[], 0..SMALL, SAMPLE_INTERVAL).await?);
    }
    let rate = "jobs/s";
    let mut figures = vec![Figure::more(
        "small jobs through one worker process, F(0) to F(9,999)",
        rate,
        Sample::new(small),
        Goal::AtLeast(20_000.0),
    )];
    for (what, indices) in LARGE {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            one.push(drain(1, ONE_THREAD, indices.clone(), LONG_SAMPLE_INTERVAL).await?);
            two.push(drain(2, ONE_THREAD, indices.clone(), LONG_SAMPLE_INTERVAL).await?);
        }
        let what = format!("large jobs through two workers of one thread, {what}");
        let figure = Figure::more(what, rate, Sample::new(two), Goal::Times(1.8));
        figures.push(figure.against("one worker of one thread", Sample::new(one)));
    }
    Ok(figures)
}

/// Jobs a second while `workers` with these variables work on a queue of `indices`.
async fn drain(
    workers: usize,
    env: &[(&'static str, &str)],
    indices: Range<u32>,
    interval: Duration,
) -> Result<f64> {
    let worker_env = env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let system = Site::start_with(SystemOptions { workers, worker_env, ..production() });
    // These indices are not in Postgres.
    system.servers[0].stop()?;
    for worker in &system.workers {
        worker.freeze()?;
    }
    let redis = RedisClient::open(&system.redis.url())?;
    let (producer, monitor) =
        (Producer::new(redis.clone(), indices.len()), QueueMonitor::new(redis));
    let mut submissions: Vec<SubmitResponse> = indices.clone().filter_map(submission).collect();
    for page in submissions.chunks_mut(SUBMISSION_BATCH) {
        producer.submit(page).await?;
    }
    let start = Instant::now();
    for worker in &system.workers {
        worker.thaw()?;
    }
    let tenth = indices.len() / 10;
    let mut first = None;
    loop {
        let left = usize::try_from(monitor.stats().await?.queue_length.jobs())?;
        ensure!(start.elapsed() < DRAIN_TIMEOUT, "nine tenths were not done in {DRAIN_TIMEOUT:?}");
        match first {
            None if left <= indices.len() - tenth => first = Some((left, Instant::now())),
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
