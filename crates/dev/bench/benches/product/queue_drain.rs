//! The queue: small jobs a second through one worker process, and what a second worker adds when jobs are large.
//!
//! The queue is filled while the workers are stopped in their tracks; then it is watched. What counts is between a tenth
//! and nine tenths of it: the start does not, nor the end, where a worker may have nothing to do.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use contract::Index;
use e2e::{Options, System};
use queue::{EnqueueRequest, Producer, QueueMonitor, RedisClient};
use stack::Service;

/// Rounds of which the median counts.
const ROUNDS: usize = 7;

/// Small jobs of one round: indices from 0, each once.
const SMALL: u32 = 10_000;

/// Large jobs of one round: the highest that are taken when nobody says otherwise, 14 ms of work each, and what takes a fifth
/// of a second. Redis, which is sent megabytes with each, works on the same cores; of the first there are enough that it
/// rewrites its file as often as in the long run.
const LARGE: [(&str, Range<u32>); 2] = [
    ("F(9,999,000) to F(9,999,999)", 9_999_000..10_000_000),
    ("60 from F(100,000,000)", 100_000_000..100_000_060),
];

/// So that one worker has one core.
const ONE_LANE: &[(&str, &str)] = &[("WORKER_LANES", "1")];

/// A round takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks how many small jobs are left: short against a round, and long against what a look costs, 0.2 ms of
/// the cores that are measured.
const LOOK: Duration = Duration::from_millis(5);

/// The same for large jobs, of which a round takes seconds.
const LONG_LOOK: Duration = Duration::from_millis(25);

/// Requests put into the queue at a time.
const PAGE: usize = 500;

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut small = Vec::new();
    for _ in 0..ROUNDS {
        small.push(drain(1, &[], 0..SMALL, LOOK).await?.rate);
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
            one.push(drain(1, ONE_LANE, indices.clone(), LONG_LOOK).await?);
            two.push(drain(2, ONE_LANE, indices.clone(), LONG_LOOK).await?);
        }
        let of = |drained: &[Drained], value: Part| Sample::new(drained.iter().map(value).collect());
        let what = format!("large jobs through two workers of one lane, {what}");
        let figure = Figure::more(&what, rate, of(&two, |drained| drained.rate), Goal::Times(1.8));
        figures.push(figure.against("one worker of one lane", of(&one, |drained| drained.rate)));
        // Where the rest of two cores goes.
        let used: [(&str, Part); 2] =
            [("the workers'", |drained| drained.work), ("Redis's", |drained| drained.redis)];
        for (whose, time) in used {
            let what = format!("the same, {whose} processor time a job");
            let figure = Figure::less(what, "ms", of(&two, time), Goal::Open);
            figures.push(figure.against("one worker of one lane", of(&one, time)));
        }
    }
    Ok(figures)
}

/// How most of a queue was emptied.
struct Drained {
    /// Jobs a second.
    rate: f64,
    /// Processor time of the workers a job, in ms.
    work: f64,
    /// That of Redis, with the processes that rewrite its file.
    redis: f64,
}

/// One number of it.
type Part = fn(&Drained) -> f64;

/// Has `workers`, with these variables, work on a queue of `indices` until a tenth is left; sees how far they are when it looks.
async fn drain(workers: usize, env: &[(&str, &str)], indices: Range<u32>, look: Duration) -> Result<Drained> {
    let worker_env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let system = System::start(Options { workers, worker_env, production: true, ..Options::default() })?;
    // What is in this queue, Postgres knows nothing of.
    system.server(0).stop()?;
    let workers = || (0..workers).map(|number| system.worker(number));
    for worker in workers() {
        worker.freeze()?;
    }
    let redis = RedisClient::open(&system.redis().url())?;
    let (producer, monitor) = (Producer::new(redis.clone(), indices.len()), QueueMonitor::new(redis));
    let requests: Vec<EnqueueRequest> = indices.clone().filter_map(request).collect();
    for page in requests.chunks(PAGE) {
        producer.submit(page, true).await?;
    }
    let used = || {
        anyhow::Ok((
            workers().map(processor_time).sum::<Result<Duration>>()?,
            processor_time(system.redis())?,
        ))
    };
    let start = Instant::now();
    for worker in workers() {
        worker.thaw()?;
    }
    let tenth = indices.len() / 10;
    let mut first = None;
    loop {
        let left = usize::try_from(monitor.stats().await?.queue_length)?;
        ensure!(start.elapsed() < PATIENCE, "nine tenths were not done in {PATIENCE:?}");
        match first {
            None if left <= indices.len() - tenth => first = Some((left, Instant::now(), used()?)),
            Some((before, since, used_before)) if left <= tenth => {
                let (took, used, jobs) = (since.elapsed(), used()?, (before - left) as f64);
                let a_job = |time: Duration| time.as_secs_f64() * 1e3 / jobs;
                return Ok(Drained {
                    rate: jobs / took.as_secs_f64(),
                    work: a_job(used.0 - used_before.0),
                    redis: a_job(used.1 - used_before.1),
                });
            }
            _ => {}
        }
        tokio::time::sleep(look).await;
    }
}

fn processor_time(service: &Service) -> Result<Duration> {
    Ok(stack::processor_time(service.pid().context("it does not run")?)?)
}

fn request(index: u32) -> Option<EnqueueRequest> {
    let index = Index::from_number(index.into(), Index::LARGEST).ok()?;
    let id = i64::from(index.get()) + 1;
    Some(EnqueueRequest {
        index,
        submission_id: id,
        request_id: "bench".to_owned(),
        received: 0,
        committed: 0,
    })
}
