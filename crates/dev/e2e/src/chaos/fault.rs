//! What goes wrong: how it begins, and how it ends. What comes of it is not this module's business.
//!
//! Which fault strikes when is drawn elsewhere, and what must not come of it is in `accounts`.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stack::{Service, http_get};
use tokio::task::spawn_blocking;

use super::load::Load;
use crate::{System, eventually};

/// A worker is harmed at work, not beside it: so many indices of a large size come just before, more than all lanes take at
/// once, each of them a new one.
const WORK: u32 = 16;
const SIZE: u32 = 9_990_000;

/// How long a fault lasts at least and at most; what is frozen for longer than others wait for it is more than slow.
const LASTS: [f64; 2] = [1.0, 2.5];
/// Longer than a worker may be silent before its jobs are taken over.
const WORKER_FROZEN: [f64; 2] = [4.0, 5.5];
/// Longer than a commit is waited for.
const POSTGRES_FROZEN: [f64; 2] = [5.5, 7.0];

/// Until the jobs of a worker that was harmed are taken over, on a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(20);

/// Without workers the queue is full within seconds at the rates of the long run; slower runs take longer.
const FULL: Duration = Duration::from_secs(60);

/// A part that can be stopped in its tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Worker,
    Server,
    Redis,
    Postgres,
    Edge,
}

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    WorkerKilled,
    ServerKilled,
    RedisKilled,
    RedisEmptied,
    RedisFlushed,
    PostgresKilled,
    Frozen(Part),
    EdgeRestarted,
    NoWorkers,
    QueueFull,
}

impl Fault {
    pub(crate) const ALL: [Self; 14] = [
        Self::WorkerKilled,
        Self::ServerKilled,
        Self::RedisKilled,
        Self::RedisEmptied,
        Self::RedisFlushed,
        Self::PostgresKilled,
        Self::Frozen(Part::Worker),
        Self::Frozen(Part::Server),
        Self::Frozen(Part::Redis),
        Self::Frozen(Part::Postgres),
        Self::Frozen(Part::Edge),
        Self::EdgeRestarted,
        Self::NoWorkers,
        Self::QueueFull,
    ];

    /// Does it, for a time drawn by `chance` (0 to 1), and returns when it is mended.
    pub(crate) async fn strike(self, system: &Arc<System>, load: &Load, chance: f64) -> Result<()> {
        let [least, most] = match self {
            Self::Frozen(Part::Worker) => WORKER_FROZEN,
            Self::Frozen(Part::Postgres) => POSTGRES_FROZEN,
            _ => LASTS,
        };
        let lasts = Duration::from_secs_f64(least + (most - least) * chance);
        let pause = || tokio::time::sleep(lasts);
        if self.is_met_at_work() {
            load.work(SIZE, WORK).await;
        }
        match self {
            Self::WorkerKilled => {
                on(system, |system| Ok(system.worker(0).kill()?)).await?;
                pause().await;
                on(system, |system| Ok(system.worker(0).start()?)).await
            }
            Self::ServerKilled => {
                on(system, |system| Ok(system.server(0).kill()?)).await?;
                pause().await;
                on(system, |system| Ok(system.server(0).start()?)).await
            }
            Self::RedisKilled => {
                on(system, |system| Ok(system.redis().kill()?)).await?;
                pause().await;
                on(system, |system| Ok(system.redis().start()?)).await
            }
            Self::RedisEmptied => on(system, |system| Ok(system.redis().restart_empty()?)).await,
            Self::RedisFlushed => on(system, flush).await,
            Self::PostgresKilled => {
                on(system, |system| Ok(system.postgres().kill()?)).await?;
                pause().await;
                on(system, |system| Ok(system.postgres().restart()?)).await
            }
            Self::Frozen(part) => {
                on(system, move |system| Ok(part.of(system).freeze()?)).await?;
                pause().await;
                on(system, move |system| Ok(part.of(system).thaw()?)).await
            }
            Self::EdgeRestarted => on(system, |system| Ok(system.edge().restart()?)).await,
            Self::NoWorkers => {
                on(system, stop_workers).await?;
                pause().await;
                on(system, start_workers).await
            }
            Self::QueueFull => {
                on(system, stop_workers).await?;
                let before = load.refused.load(Ordering::Relaxed);
                let deadline = Instant::now() + FULL;
                while load.refused.load(Ordering::Relaxed) == before {
                    ensure!(
                        Instant::now() < deadline,
                        "nothing was refused though no worker empties the queue"
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                on(system, start_workers).await
            }
        }
        .with_context(|| format!("{self}"))
    }

    /// Whether a worker is harmed that has taken jobs.
    fn is_met_at_work(self) -> bool {
        matches!(self, Self::WorkerKilled | Self::Frozen(Part::Worker))
    }

    /// Waits until the fault has shown: the jobs of a worker that was harmed at work are taken over from it. `before` is what
    /// [`taken_over`] said before it struck.
    ///
    /// # Panics
    /// When none are: then it was harmed beside its work.
    pub(crate) async fn confirm(self, system: &System, before: [u64; 2]) {
        if self.is_met_at_work() {
            // The one that is killed counts from 0 again.
            let before = if self == Self::WorkerKilled { [0, before[1]] } else { before };
            eventually(&format!("jobs are taken over ({self})"), TAKEN_OVER, async || {
                taken_over(system).iter().zip(&before).any(|(now, before)| now > before).then_some(())
            })
            .await;
        }
    }
}

/// How many jobs each worker has taken over from others since it was started.
pub(crate) fn taken_over(system: &System) -> [u64; 2] {
    [0, 1].map(|number| {
        let metrics = http_get(&format!("http://127.0.0.1:{}/metrics", system.worker_metrics(number)));
        let metrics = metrics.map(|answer| answer.body).unwrap_or_default();
        let mut counts =
            metrics.lines().filter_map(|line| line.strip_prefix(r#"jobs_total{outcome="taken_over"} "#));
        counts.next().and_then(|count| count.parse().ok()).unwrap_or_default()
    })
}

impl Part {
    fn of(self, system: &System) -> &Service {
        match self {
            Self::Worker => system.worker(1),
            Self::Server => system.server(1),
            Self::Redis => system.redis(),
            Self::Postgres => system.postgres(),
            Self::Edge => system.edge(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WorkerKilled => "a worker killed at work",
            Self::ServerKilled => "an api killed",
            Self::RedisKilled => "Redis killed, back with its data",
            Self::RedisEmptied => "Redis killed, back empty",
            Self::RedisFlushed => "FLUSHALL",
            Self::PostgresKilled => "Postgres killed",
            Self::Frozen(Part::Worker) => "a worker frozen",
            Self::Frozen(Part::Server) => "an api frozen",
            Self::Frozen(Part::Redis) => "Redis frozen",
            Self::Frozen(Part::Postgres) => "Postgres frozen",
            Self::Frozen(Part::Edge) => "the edge frozen",
            Self::EdgeRestarted => "the edge restarted",
            Self::NoWorkers => "all workers gone",
            Self::QueueFull => "the queue full",
        })
    }
}

/// Starting and stopping waits; the load goes on meanwhile.
async fn on(system: &Arc<System>, work: impl FnOnce(&System) -> Result<()> + Send + 'static) -> Result<()> {
    let system = Arc::clone(system);
    spawn_blocking(move || work(&system)).await?
}

fn stop_workers(system: &System) -> Result<()> {
    for number in 0..2 {
        system.worker(number).stop()?;
    }
    Ok(())
}

fn start_workers(system: &System) -> Result<()> {
    for number in 0..2 {
        system.worker(number).launch()?;
    }
    for number in 0..2 {
        system.worker(number).wait_ready()?;
    }
    Ok(())
}

fn flush(system: &System) -> Result<()> {
    redis(system, &["FLUSHALL"]).map(drop)
}

/// What Redis answers to a command.
pub(crate) fn redis(system: &System, command: &[&str]) -> Result<String> {
    let output = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &system.redis().port().to_string()])
        .args(command)
        .stdin(Stdio::null())
        .output()
        .context("starting redis-cli")?;
    ensure!(output.status.success(), "{command:?} failed ({})", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
