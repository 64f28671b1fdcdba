//! A steady load of submissions, while processes are killed, frozen, emptied and failed over at
//! random times ([`run`]) or restarted one after the other ([`rolling_restart`]). The report counts
//! lost submissions and lists wrong values.

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
use memory::MemorySampler;
pub use memory::MemoryUse;

use crate::Site;

#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// Submissions per second.
    pub rate: u32,
    /// Minimum time of fault injection. The run also goes on until each fault was injected once.
    pub duration: Duration,
    /// Seed for the order and duration of faults and for the indices.
    pub seed: u64,
}

/// The queue's capacity in seconds of submissions: small, so that the queue fills up soon while
/// there are no workers.
const QUEUE_SECONDS: u32 = 2;

const MAX_TIME_BETWEEN_FAULTS: Duration = Duration::from_millis(1_500);

/// Limit for a new index to get its value after a fault.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Concurrent submissions in a run with faults: enough to keep the rate during the longest fault.
const CHAOS_MAX_OPEN: u32 = 2_000;
/// Concurrent submissions in a rolling restart, where none may fail: few enough for a busy machine
/// to respond to all of them in time.
const RESTART_MAX_OPEN: u32 = 200;

/// Restarts of each server and worker in [`rolling_restart`].
const RESTARTS: usize = 5;

/// Injects all kinds of faults into a system of two servers and two workers under load. An error
/// means that the system did not recover; lost submissions and wrong values are in the report.
pub async fn run(chaos: Chaos) -> Result<ChaosReport> {
    println!("seed {}", chaos.seed);
    let options = SystemOptions {
        servers: 2,
        workers: 2,
        redis_proxy: true,
        postgres_proxy: true,
        server_env: vec![("MAX_QUEUE", (QUEUE_SECONDS * chaos.rate).to_string())],
        // A worker then calculates two indices at once, however few cores this machine has.
        worker_env: vec![("WORKER_THREADS", "2".to_owned())],
        ..SystemOptions::default()
    };
    let site = Arc::new(Site::start_with(options));
    let stop = CancellationToken::new();
    // Without it, the runtime would wait forever for the blocking task after an error.
    let _stop_on_error = stop.clone().drop_guard();
    let load = Arc::new(Load::new(&site.url(), chaos.seed)?);
    let memory = Arc::new(MemorySampler::new(&site));
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
    let mut faults = Vec::new();
    while start.elapsed() < chaos.duration || recoveries.len() < FAULTS.len() {
        if faults.is_empty() {
            faults = FAULTS.to_vec();
            random.shuffle(&mut faults);
        }
        let Some((name, fault)) = faults.pop() else { break };
        tokio::time::sleep(MAX_TIME_BETWEEN_FAULTS.mul_f64(random.f64())).await;
        let reclaimed = fault::reclaimed_jobs(&site);
        fault.inject(&site, &load, random.f64()).await.context(name)?;
        let recovery = tokio::time::timeout(RECOVERY_TIMEOUT, load.recovery_time()).await;
        let took = recovery.with_context(|| {
            format!("{name}: a new index got no value within {RECOVERY_TIMEOUT:?}")
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

/// How a process stopped after the shutdown signal.
#[derive(Debug)]
pub struct Stop {
    pub name: String,
    pub took: Duration,
    /// `None` when a signal ended the process.
    pub exit_code: Option<i32>,
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
        let (servers, workers) = (&restarting.servers, &restarting.workers);
        let order = || servers.iter().zip(workers).flat_map(|(server, worker)| [server, worker]);
        let restart = |service: &stack::Service| {
            let start = Instant::now();
            let status = service.stop()?.context("the process should have run")?;
            let (name, took) = (service.name().to_owned(), start.elapsed());
            service.start()?;
            Ok(Stop { name, took, exit_code: status.code() })
        };
        (0..RESTARTS).flat_map(|_| order()).map(|binary| restart(binary)).collect()
    });
    let stops = stops.await??;
    stop.cancel();
    submitting.await?;
    let report = audit::run(&site, &load, start.elapsed()).await?;
    Ok((report, stops))
}
