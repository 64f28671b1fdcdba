//! Load with faults: a steady stream of submissions, while processes are killed, frozen, emptied
//! and failed over at random times. Afterwards no acknowledged submission may be missing, and no
//! value may ever have been wrong.

mod audit;
mod failover;
mod fault;
mod load;
mod memory;
mod oracle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use stack::SystemOptions;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub use audit::ChaosReport;
use fault::FAULTS;
use load::Load;
pub use memory::MemoryUse;
use memory::MemoryWatch;

use crate::Site;

#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// Submissions a second.
    pub rate: u32,
    /// How long faults are injected. Each kind comes at least once, however long that takes.
    pub duration: Duration,
    /// Seed of the random faults and indices.
    pub seed: u64,
}

/// The queue's capacity in seconds of submissions: small, so that it is soon full without workers.
const QUEUE_SECONDS: u32 = 2;

const MAX_REST: Duration = Duration::from_millis(1_500);

/// Until a new index has its value; a system that takes longer does not recover.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Open submissions at most, in chaos: enough for the longest fault.
const CHAOS_MAX_OPEN: u32 = 2_000;
/// The same in a rolling restart: few, so that a busy machine answers each in time, because none
/// may fail.
const RESTART_MAX_OPEN: u32 = 200;

const RESTARTS: usize = 5;

/// Runs `chaos` on a system of two servers and two workers. An error is a system that does not
/// recover; lost or wrong values are in the report.
pub async fn run(chaos: Chaos) -> Result<ChaosReport> {
    println!("seed {}", chaos.seed);
    let options = SystemOptions {
        servers: 2,
        workers: 2,
        redis_proxy: true,
        postgres_proxy: true,
        server_env: vec![("MAX_QUEUE", (QUEUE_SECONDS * chaos.rate).to_string())],
        // Long and short calculations side by side, as on a larger machine.
        worker_env: vec![("WORKER_THREADS", "2".to_owned())],
        ..SystemOptions::default()
    };
    let site = Arc::new(Site::start_with(options));
    let stop = CancellationToken::new();
    // After an error, too: the runtime would wait for the blocking task for ever.
    let _stop_on_error = stop.clone().drop_guard();
    let load = Arc::new(Load::new(&site.url(), chaos.seed)?);
    let memory = Arc::new(MemoryWatch::new(&site));
    let tasks = [
        tokio::spawn(Arc::clone(&load).submit(chaos.rate, CHAOS_MAX_OPEN, stop.clone())),
        tokio::spawn(Arc::clone(&load).submit_huge(stop.clone())),
        tokio::spawn(Arc::clone(&load).read_lists(stop.clone())),
        tokio::spawn(Arc::clone(&load).read_events(stop.clone())),
        spawn_blocking({
            let (memory, site, stop) = (Arc::clone(&memory), Arc::clone(&site), stop.clone());
            move || memory.run(&site, &stop)
        }),
    ];

    let mut random = fastrand::Rng::with_seed(chaos.seed);
    let start = Instant::now();
    let mut recoveries = BTreeMap::<_, (usize, Duration)>::new();
    let mut deck = Vec::new();
    while start.elapsed() < chaos.duration || recoveries.len() < FAULTS.len() {
        if deck.is_empty() {
            deck = FAULTS.to_vec();
            random.shuffle(&mut deck);
        }
        let Some((name, fault)) = deck.pop() else { break };
        tokio::time::sleep(MAX_REST.mul_f64(random.f64())).await;
        let reclaimed = fault::reclaimed_jobs(&site);
        fault.inject(&site, &load, random.f64()).await.context(name)?;
        let recovery = tokio::time::timeout(RECOVERY_TIMEOUT, load.recovery_time()).await;
        let took = recovery.with_context(|| {
            format!("{name}: no new index has its value after {RECOVERY_TIMEOUT:?}")
        })?;
        let at = start.elapsed().as_secs_f64();
        println!("{at:>6.1} s  {name}: recovered after {:.2} s", took.as_secs_f64());
        fault.wait_for_reclaim(&site, reclaimed).await;
        let (count, longest) = recoveries.entry(name).or_default();
        (*count, *longest) = (*count + 1, took.max(*longest));
    }
    stop.cancel();
    let took = start.elapsed();
    for task in tasks {
        task.await?;
    }
    let report = audit::run(&site, &load, took).await?;
    Ok(ChaosReport { recoveries, memory: memory.report(&site), ..report })
}

#[derive(Debug)]
pub struct Stop {
    pub name: String,
    pub took: Duration,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
}

/// Restarts servers and workers one after the other, several times, under load.
pub async fn rolling_restart(rate: u32) -> Result<(ChaosReport, Vec<Stop>)> {
    let options = SystemOptions { servers: 2, workers: 2, ..Default::default() };
    let site = Arc::new(Site::start_with(options));
    let stop = CancellationToken::new();
    let load = Arc::new(Load::new(&site.url(), 0)?);
    let submitting = tokio::spawn(Arc::clone(&load).submit(rate, RESTART_MAX_OPEN, stop.clone()));
    let start = Instant::now();
    let restarting = Arc::clone(&site);
    let stops = spawn_blocking(move || -> Result<Vec<Stop>> {
        let order =
            || (0..2).flat_map(|number| [&restarting.servers[number], &restarting.workers[number]]);
        let restart = |service: &stack::Service| {
            let start = Instant::now();
            let status = service.stop()?.context("it should have run")?;
            let (name, took) = (service.name().to_owned(), start.elapsed());
            service.start()?;
            Ok(Stop { name, took, code: status.code() })
        };
        (0..RESTARTS).flat_map(|_| order()).map(|binary| restart(binary)).collect()
    });
    let stops = stops.await??;
    stop.cancel();
    submitting.await?;
    let report = audit::run(&site, &load, start.elapsed()).await?;
    Ok((report, stops))
}
