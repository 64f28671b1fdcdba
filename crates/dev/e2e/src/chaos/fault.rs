//! The kinds of faults, and how each of them is injected.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use stack::{Service, System, eventually};
use tokio::task::spawn_blocking;

use super::failover::{fail_over_postgres, fail_over_redis};
use super::load::Load;
use crate::LocalSite;

/// Number of new large indices that are submitted just before a worker is killed or frozen, so that
/// it is busy: more than the executors of two workers take at once.
const LARGE_JOBS: u32 = 40;
const FIRST_LARGE_INDEX: u32 = 9_990_000;

/// Duration of most faults. The range includes 2 s, which is the timeout for a reply of Redis and
/// for a connection from the pool of Postgres.
const FAULT_SECONDS: Range<f64> = 1.0..2.5;
/// Longer than the heartbeat timeout of 3 s, after which a worker's jobs are reclaimed.
const WORKER_FROZEN_SECONDS: Range<f64> = 4.0..5.5;
/// Longer than the server's commit timeout of 5 s.
const POSTGRES_FROZEN_SECONDS: Range<f64> = 5.5..7.0;

/// Limit until another worker has reclaimed a job, on a busy machine.
const RECLAIM_TIMEOUT: Duration = Duration::from_secs(20);

/// Limit for filling the queue. It takes a few seconds without workers, more at a low rate.
const QUEUE_FULL_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Worker,
    Server,
    Redis,
    Postgres,
    Edge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Killed(Target),
    Frozen(Target),
    RedisEmptied,
    RedisFlushed,
    EdgeRestarted,
    NoWorkers,
    QueueFull,
    RedisFailover,
    RedisRefusesWrites,
    PostgresFailover,
}

/// All faults, with their names in the report.
pub(crate) const FAULTS: [(&str, Fault); 17] = [
    ("a busy worker killed", Fault::Killed(Target::Worker)),
    ("an api killed", Fault::Killed(Target::Server)),
    ("Redis killed", Fault::Killed(Target::Redis)),
    ("Postgres killed", Fault::Killed(Target::Postgres)),
    ("a busy worker frozen", Fault::Frozen(Target::Worker)),
    ("an api frozen", Fault::Frozen(Target::Server)),
    ("Redis frozen", Fault::Frozen(Target::Redis)),
    ("Postgres frozen", Fault::Frozen(Target::Postgres)),
    ("the edge frozen", Fault::Frozen(Target::Edge)),
    ("Redis killed and restarted empty", Fault::RedisEmptied),
    ("FLUSHALL", Fault::RedisFlushed),
    ("the edge restarted", Fault::EdgeRestarted),
    ("all workers stopped", Fault::NoWorkers),
    ("the queue full", Fault::QueueFull),
    ("Redis fails over and back", Fault::RedisFailover),
    ("Redis refuses writes", Fault::RedisRefusesWrites),
    ("Postgres fails over and back", Fault::PostgresFailover),
];

impl Fault {
    /// Injects the fault, and returns when it has ended. `position` (0 to 1) is the position of its
    /// duration in the range for this kind of fault.
    pub(crate) async fn inject(
        self,
        site: &Arc<LocalSite>,
        load: &Load,
        position: f64,
    ) -> Result<()> {
        let Range { start, end } = match self {
            Self::Frozen(Target::Worker) => WORKER_FROZEN_SECONDS,
            Self::Frozen(Target::Postgres) => POSTGRES_FROZEN_SECONDS,
            _ => FAULT_SECONDS,
        };
        let duration = Duration::from_secs_f64(start + (end - start) * position);
        let wait = || tokio::time::sleep(duration);
        if self.needs_busy_worker() {
            load.submit_large(FIRST_LARGE_INDEX, LARGE_JOBS).await;
        }
        match self {
            Self::Killed(target) => {
                with_system(site, move |system| target.service(system).kill()).await?;
                wait().await;
                with_system(site, move |system| target.service(system).start()).await
            }
            Self::Frozen(target) => {
                with_system(site, move |system| target.service(system).freeze()).await?;
                wait().await;
                with_system(site, move |system| target.service(system).thaw()).await
            }
            Self::RedisEmptied => with_system(site, |system| system.redis.restart_empty()).await,
            Self::RedisFlushed => {
                with_system(site, |system| system.redis.cli(&["FLUSHALL"]).map(drop)).await
            }
            Self::EdgeRestarted => with_system(site, |system| system.edge.restart()).await,
            Self::NoWorkers => {
                with_system(site, stop_workers).await?;
                wait().await;
                with_system(site, start_workers).await
            }
            Self::QueueFull => {
                with_system(site, stop_workers).await?;
                let refused = || load.observed().small_refused;
                let before = refused();
                let is_refused = async || (refused() > before).then_some(());
                eventually("the full queue refuses a submission", QUEUE_FULL_TIMEOUT, is_refused)
                    .await;
                with_system(site, start_workers).await
            }
            Self::RedisFailover => fail_over_redis(site, load).await,
            Self::RedisRefusesWrites => {
                with_system(site, |system| system.redis.refuse_writes()).await?;
                wait().await;
                with_system(site, |system| system.redis.accept_writes()).await
            }
            Self::PostgresFailover => fail_over_postgres(site, load).await,
        }
    }

    fn needs_busy_worker(self) -> bool {
        matches!(self, Self::Killed(Target::Worker) | Self::Frozen(Target::Worker))
    }

    /// If a worker was killed or frozen, waits until jobs have been reclaimed. `before` is the
    /// result of [`reclaimed_jobs`] before the fault.
    pub(crate) async fn wait_for_reclaim(self, system: &System, before: [u64; 2]) {
        if self.needs_busy_worker() {
            // The counter of a killed worker restarts at 0.
            let before = if self == Self::Killed(Target::Worker) { [before[0], 0] } else { before };
            eventually(&format!("jobs are reclaimed ({self:?})"), RECLAIM_TIMEOUT, async || {
                reclaimed_jobs(system)
                    .iter()
                    .zip(&before)
                    .any(|(now, before)| now > before)
                    .then_some(())
            })
            .await;
        }
    }
}

/// The number of jobs that each worker has reclaimed since its start.
pub(crate) fn reclaimed_jobs(system: &System) -> [u64; 2] {
    [0, 1].map(|number| {
        let metrics = system.workers[number].metrics().unwrap_or_default();
        let mut counts = metrics
            .lines()
            .filter_map(|line| line.strip_prefix(r#"jobs_total{outcome="reclaimed"} "#));
        counts.next().and_then(|count| count.parse().ok()).unwrap_or_default()
    })
}

impl Target {
    fn service(self, system: &System) -> &Service {
        match self {
            Self::Worker => &system.workers[1],
            Self::Server => &system.servers[1],
            Self::Redis => &system.redis,
            Self::Postgres => &system.postgres,
            Self::Edge => &system.edge,
        }
    }
}

/// Runs blocking `work` on a thread for blocking tasks, so that the load continues.
pub(super) async fn with_system<T: Send + 'static>(
    site: &Arc<LocalSite>,
    work: impl FnOnce(&System) -> Result<T> + Send + 'static,
) -> Result<T> {
    let site = Arc::clone(site);
    spawn_blocking(move || work(&site)).await?
}

fn stop_workers(system: &System) -> Result<()> {
    system.workers.iter().try_for_each(|worker| worker.stop().map(drop))
}

fn start_workers(system: &System) -> Result<()> {
    system.workers.iter().try_for_each(|worker| worker.launch())?;
    system.workers.iter().try_for_each(|worker| worker.wait_ready())
}
