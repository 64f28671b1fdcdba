//! Load with faults: a steady stream of submissions, while parts are killed, frozen and emptied at random times; then the
//! accounts are compared. Nothing that was acknowledged may be lost, and no value may ever be wrong.
//!
//! [`run`] does it on a [`System`] of its own. What is submitted is in `load`, what goes wrong in `fault`, what memory it all
//! takes in `memory`, what a right value is in `judge`, which knows nothing of our engine.

mod accounts;
mod fault;
mod judge;
mod load;
mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

pub use accounts::Report;
use fault::Fault;
use load::Load;
use memory::Memory;
pub use memory::Weight;

use crate::{Options, System};

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// Submissions a second.
    pub rate: u32,
    /// How long faults go on at least. Each kind comes once, however long that takes, then again.
    pub duration: Duration,
    /// What the faults' order and times, and the indices, are drawn from.
    pub seed: u64,
}

/// The queue has room for so many seconds of submissions: few, so that workers that are away fill it soon.
const ROOM: u32 = 2;

/// The longest rest between two faults.
const REST: Duration = Duration::from_millis(1_500);

/// Until a new index has its value: many times the goal. A system that takes longer does not come back at all.
const COMES_BACK: Duration = Duration::from_secs(60);

/// Starts a system of two servers and two workers, and puts it through `chaos`.
///
/// # Errors
/// When a part does not come back, or the accounts cannot be read. What they say is in the report.
pub async fn run(chaos: Chaos) -> Result<Report> {
    println!("seed {}", chaos.seed);
    let env = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let options = Options {
        servers: 2,
        workers: 2,
        server_env: env("MAX_QUEUE", &(ROOM * chaos.rate).to_string()),
        // Long calculations and short ones side by side, as on a larger machine.
        worker_env: env("WORKER_LANES", "2"),
        ..Options::default()
    };
    let system = Arc::new(System::start(options)?);
    let over = CancellationToken::new();
    let load = Arc::new(Load::new(&system.url(), chaos.seed)?);
    let submitting = tokio::spawn(Arc::clone(&load).submit(chaos.rate, over.clone()));
    let watching = tokio::spawn(Arc::clone(&load).watch(over.clone()));
    let listening = tokio::spawn(Arc::clone(&load).listen(over.clone()));

    let memory = Arc::new(Memory::of(&system)?);
    let weighing = tokio::task::spawn_blocking({
        let (memory, system, over) = (Arc::clone(&memory), Arc::clone(&system), over.clone());
        move || memory.watch(&system, &over)
    });

    let mut random = fastrand::Rng::with_seed(chaos.seed);
    let start = Instant::now();
    let mut recoveries = Vec::new();
    let mut deck = Vec::new();
    while start.elapsed() < chaos.duration || recoveries.len() < Fault::ALL.len() {
        if deck.is_empty() {
            deck = Fault::ALL.to_vec();
            random.shuffle(&mut deck);
        }
        let Some(fault) = deck.pop() else { break };
        tokio::time::sleep(REST.mul_f64(random.f64())).await;
        let taken_over = fault::taken_over(&system);
        fault.strike(&system, &load, random.f64()).await?;
        let recovery = tokio::time::timeout(COMES_BACK, load.recovery()).await;
        let took =
            recovery.with_context(|| format!("{fault}: no new index has its value after {COMES_BACK:?}"))?;
        println!(
            "{:>6.1} s  {fault}: recovered after {:.2} s",
            start.elapsed().as_secs_f64(),
            took.as_secs_f64()
        );
        fault.confirm(&system, taken_over).await;
        recoveries.push((fault, took));
    }
    over.cancel();
    submitting.await?;
    watching.await?;
    weighing.await?;
    listening.await?;
    let took = start.elapsed();
    let report = accounts::compare(&system, &load, recoveries, took).await?;
    Ok(Report { memory: memory.report(&system), ..report })
}

/// How a part ended that was told to stop.
#[derive(Debug)]
pub struct Stop {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
}

/// How often each part is restarted.
const ROUNDS: usize = 5;

/// Restarts two servers and two workers one after the other, politely, several times, under `rate` submissions a second.
///
/// # Errors
/// As [`run`].
pub async fn rolling_restart(rate: u32) -> Result<(Report, Vec<Stop>)> {
    let system = Arc::new(System::start(Options { servers: 2, workers: 2, ..Default::default() })?);
    let over = CancellationToken::new();
    let load = Arc::new(Load::new(&system.url(), 0)?);
    let submitting = tokio::spawn(Arc::clone(&load).submit(rate, over.clone()));
    let start = Instant::now();
    let restarts = Arc::clone(&system);
    let stops = tokio::task::spawn_blocking(move || -> Result<Vec<Stop>> {
        let parts = (0..2).flat_map(|number| [restarts.server(number), restarts.worker(number)]);
        let parts = (0..ROUNDS).flat_map(|_| parts.clone());
        parts
            .map(|part| {
                let told = Instant::now();
                let status = part.stop()?.context("it should have run")?;
                let stop = Stop { name: part.name().to_owned(), took: told.elapsed(), code: status.code() };
                part.start()?;
                Ok(stop)
            })
            .collect()
    });
    let stops = stops.await??;
    over.cancel();
    submitting.await?;
    let report = accounts::compare(&system, &load, Vec::new(), start.elapsed()).await?;
    Ok((report, stops))
}
