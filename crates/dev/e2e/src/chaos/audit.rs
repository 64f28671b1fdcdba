//! Compares what was acknowledged with what is there when everything has settled: rows in Postgres,
//! values over HTTP, the queue. What counts as a failure is for the test to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};
use stack::{System, eventually};

use super::load::{Load, Observations};
use super::memory::MemoryUse;

/// Until everything is calculated that was submitted during the faults.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);

const CONCURRENCY: usize = 16;

#[derive(Debug)]
pub struct ChaosReport {
    pub seen: Observations,
    /// Acknowledged rows that are missing in Postgres or have another index. Must be 0.
    pub lost: usize,
    /// Rows in Postgres that were never submitted. Must be 0.
    pub invented: usize,
    pub values: usize,
    pub took: Duration,
    /// For each kind of fault its number, and the longest recovery from it.
    pub recoveries: BTreeMap<&'static str, (usize, Duration)>,
    pub memory: Vec<MemoryUse>,
}

/// Waits until the system has settled, and compares. Recoveries and memory are for the caller to
/// add.
pub(crate) async fn run(system: &System, load: &Load, took: Duration) -> Result<ChaosReport> {
    let (lost, invented) = compare_rows(system, &load.seen().clone())?;
    let indices: BTreeSet<u32> = load.seen().acknowledged.iter().map(|(_, index)| *index).collect();
    stream::iter(indices.iter().copied())
        .for_each_concurrent(CONCURRENCY, async |index| {
            let what = format!("acknowledged index {index} has its value");
            eventually(&what, SETTLE_TIMEOUT, async || load.fetch(index).await.then_some(())).await;
        })
        .await;

    for (gauge, value) in [("queue_jobs", 0), ("dead_letters", 0), ("workers_alive", 2)] {
        let line = format!("{gauge} {value}");
        eventually(&format!("{gauge} is {value}"), SETTLE_TIMEOUT, async || {
            system.servers[0].metrics().ok()?.lines().any(|known| known == line).then_some(())
        })
        .await;
    }
    for binary in system.binaries() {
        binary.wait_ready().with_context(|| format!("{} at the end", binary.name()))?;
    }
    // The gauges count what is listed as queued; this is the queue itself.
    for key in ["jobs", "jobs:large", "jobs:repair", "jobs:dead"] {
        let length = system.redis.cli(&["XLEN", key])?;
        ensure!(length == "0", "{length} entries are left in the stream {key}");
    }
    let (seen, values) = (load.seen().clone(), indices.len());
    Ok(ChaosReport {
        seen,
        lost,
        invented,
        values,
        took,
        recoveries: BTreeMap::new(),
        memory: Vec::new(),
    })
}

/// Counts acknowledged rows that are not stored so, and stored rows that were never submitted.
fn compare_rows(system: &System, seen: &Observations) -> Result<(usize, usize)> {
    let mut stored = HashMap::new();
    for line in system.psql("SELECT id, number FROM values")?.lines() {
        let (id, number) = line.split_once('|').with_context(|| format!("a row, not {line:?}"))?;
        stored.insert(id.trim().parse::<i64>()?, number.trim().parse::<u32>()?);
    }
    // Each acknowledgement removes its row: of two for one row, one counts as lost.
    let lost =
        seen.acknowledged.iter().filter(|(id, index)| stored.remove(id) != Some(*index)).count();
    let mut rest: HashMap<u32, usize> = HashMap::new();
    for index in stored.into_values() {
        *rest.entry(index).or_default() += 1;
    }
    let sent = |index: &u32| seen.unanswered.get(index).copied().unwrap_or_default();
    let invented = rest.iter().map(|(index, count)| count.saturating_sub(sent(index))).sum();
    Ok((lost, invented))
}

impl fmt::Display for ChaosReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seen, seconds) = (&self.seen, self.took.as_secs_f64());
        let (name, rate) = ("requests", seen.requests as f64 / seconds);
        writeln!(f, "{name:<34} {:>9} in {seconds:.0} s, {rate:.0} a second", seen.requests)?;
        let failures = seen.failures.iter().map(|(name, count)| (name.as_str(), *count));
        let counts = [
            ("acknowledged", seen.acknowledged.len()),
            ("refused with 503", seen.refused),
            ("refused with 503, small indices", seen.small_refused),
        ];
        for (name, count) in counts.into_iter().chain(failures).chain([
            ("lost", self.lost),
            ("never submitted", self.invented),
            ("wrong values", seen.wrong.len()),
            ("lists of values read", seen.lists_read),
            ("values in event streams", seen.events_read),
            ("values fetched at the end", self.values),
        ]) {
            writeln!(f, "{name:<34} {count:>9}")?;
        }
        for (fault, (count, longest)) in &self.recoveries {
            writeln!(
                f,
                "{fault:<34} {count:>9} times, recovered within {:.2} s",
                longest.as_secs_f64()
            )?;
        }
        for MemoryUse { name, peak, now, limit } in &self.memory {
            writeln!(f, "{name:<34} {peak:>9.0} MB at most of {limit}, {now:.0} MB now")?;
        }
        Ok(())
    }
}
