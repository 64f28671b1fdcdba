//! The memory of each part with all its processes, weighed again and again while the system is harmed, against the limit of its
//! container in docker-compose.yml.
//!
//! Pages that several processes share are counted once (`Pss`), as a container's are. Weighing a process that has just ended
//! finds nothing, which is what it weighs.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use stack::{Service, descendants};
use tokio_util::sync::CancellationToken;

use super::load::lock;
use crate::{System, root};

/// Time between two weighings: a calculation takes longer than that.
const EVERY: Duration = Duration::from_millis(50);

/// What a part takes, in MB.
#[derive(Clone, Debug)]
pub struct Weight {
    /// The part.
    pub name: String,
    /// The most it had.
    pub peak: f64,
    /// What it has now.
    pub now: f64,
    /// What its container may have.
    pub limit: f64,
}

/// The parts' memory.
pub(crate) struct Memory {
    peaks: Mutex<Vec<f64>>,
    limits: Vec<f64>,
}

/// The parts, and the containers that they are in.
fn parts(system: &System) -> [(&'static str, &Service); 8] {
    [
        ("api", system.server(0)),
        ("api", system.server(1)),
        ("worker", system.worker(0)),
        ("worker", system.worker(1)),
        ("nginx", system.edge()),
        ("client", system.client()),
        ("redis", system.redis()),
        ("postgres", system.postgres()),
    ]
}

impl Memory {
    pub(crate) fn of(system: &System) -> Result<Self> {
        let file = fs::read_to_string(root().join("docker-compose.yml"))?;
        let compose: Value = serde_saphyr::from_str(&file)?;
        let limit = |container: &str| {
            let limit = compose["services"][container]["mem_limit"].as_str();
            let megabytes = limit.and_then(|limit| limit.strip_suffix('m')?.parse().ok());
            megabytes.with_context(|| format!("the memory limit of {container}"))
        };
        let limits = parts(system).iter().map(|(container, _)| limit(container)).collect::<Result<_>>()?;
        Ok(Self { peaks: Mutex::new(vec![0.0; parts(system).len()]), limits })
    }

    /// Weighs until it is over.
    pub(crate) fn watch(&self, system: &System, over: &CancellationToken) {
        while !over.is_cancelled() {
            self.weigh(system);
            std::thread::sleep(EVERY);
        }
    }

    fn weigh(&self, system: &System) -> Vec<f64> {
        let now: Vec<f64> = parts(system).iter().map(|(_, service)| weight(service)).collect();
        for (peak, now) in lock(&self.peaks).iter_mut().zip(&now) {
            *peak = peak.max(*now);
        }
        now
    }

    /// What came of it.
    pub(crate) fn report(&self, system: &System) -> Vec<Weight> {
        let now = self.weigh(system);
        let peaks = lock(&self.peaks).clone();
        let weights = parts(system).into_iter().zip(now).zip(peaks).zip(&self.limits);
        weights
            .map(|((((_, service), now), peak), &limit)| Weight {
                name: service.name().to_owned(),
                peak,
                now,
                limit,
            })
            .collect()
    }
}

/// What a part's processes have, in MB.
fn weight(service: &Service) -> f64 {
    let Some(pid) = service.pid() else { return 0.0 };
    descendants(pid).into_iter().chain([pid]).filter_map(proportional).sum()
}

/// A process's own memory and its share of what it shares, in MB.
fn proportional(pid: u32) -> Option<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1_024.0)
}
