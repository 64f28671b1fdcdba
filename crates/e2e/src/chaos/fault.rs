//! What goes wrong: how it begins, and how it ends. What comes of it is not this module's business.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stack::Service;
use tokio::task::spawn_blocking;

use super::load::Load;
use crate::System;

/// A worker is killed at work, not beside it: it is given this much.
const WORK: u32 = 3_000_000;

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

    /// Does it, for about `lasts`, and returns when it is mended.
    pub(crate) async fn strike(self, system: &Arc<System>, load: &Load, lasts: Duration) -> Result<()> {
        let pause = || tokio::time::sleep(lasts);
        match self {
            Self::WorkerKilled => {
                load.post(WORK).await;
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
            Self::RedisFlushed => on(system, |system| flush(system.redis().port())).await,
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

fn flush(port: u16) -> Result<()> {
    let status = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "FLUSHALL"])
        .stdout(Stdio::null())
        .status()
        .context("starting redis-cli")?;
    ensure!(status.success(), "FLUSHALL failed ({status})");
    Ok(())
}
