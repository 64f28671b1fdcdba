//! Checks the system after a run: the queue must become empty, and each acknowledged index must get
//! its value. The report compares the acknowledgements with the rows in Postgres; the tests decide
//! which differences are failures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};
use stack::{System, eventually};

use super::load::{Load, Observations};
use super::memory::MemoryUse;

/// Limit for the calculation of all indices that were submitted during the run.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);

const CONCURRENT_FETCHES: usize = 16;

#[derive(Debug)]
pub struct ChaosReport {
    pub observed: Observations,
    /// Acknowledged rows that are missing in Postgres or have another index.
    pub lost: usize,
    /// Rows in Postgres that were never submitted.
    pub never_submitted: usize,
    /// Acknowledged indices whose values were fetched at the end.
    pub values: usize,
    pub took: Duration,
    /// For each kind of fault: how often it was injected, and the longest recovery.
    pub recoveries: BTreeMap<&'static str, (usize, Duration)>,
    pub memory: Vec<MemoryUse>,
}

/// Checks the system after its load has ended. The caller adds recoveries and memory to the report.
pub(crate) async fn run(system: &System, load: &Load, took: Duration) -> Result<ChaosReport> {
    let (lost, never_submitted) = compare_rows(system, &load.observed().clone())?;
    let acknowledged = load.observed().acknowledged.clone();
    let indices: BTreeSet<u32> = acknowledged.into_iter().map(|(_, index)| index).collect();
    stream::iter(indices.iter().copied())
        .for_each_concurrent(CONCURRENT_FETCHES, async |index| {
            let what = format!("acknowledged index {index} has its value");
            eventually(&what, DRAIN_TIMEOUT, async || load.fetch(index).await.then_some(())).await;
        })
        .await;

    for (gauge, value) in [("queue_jobs", 0), ("dead_letters", 0), ("workers_alive", 2)] {
        let line = format!("{gauge} {value}");
        eventually(&format!("{gauge} is {value}"), DRAIN_TIMEOUT, async || {
            system.servers[0].metrics().ok()?.lines().any(|found| found == line).then_some(())
        })
        .await;
    }
    for service in system.app_services() {
        service.wait_ready().with_context(|| format!("{} at the end", service.name()))?;
    }
    // The gauges may be a second old.
    for key in ["jobs", "jobs:large", "jobs:repair", "jobs:dead"] {
        let length = system.redis.cli(&["XLEN", key])?;
        ensure!(length == "0", "{length} entries are left in the stream {key}");
    }
    let (observed, values) = (load.observed().clone(), indices.len());
    Ok(ChaosReport {
        observed,
        lost,
        never_submitted,
        values,
        took,
        recoveries: BTreeMap::new(),
        memory: Vec::new(),
    })
}

/// Counts acknowledged rows that Postgres does not have, and rows that were never submitted.
fn compare_rows(system: &System, observed: &Observations) -> Result<(usize, usize)> {
    let mut stored = HashMap::new();
    for line in system.psql("SELECT id, number FROM values")?.lines() {
        let (id, number) =
            line.split_once('|').with_context(|| format!("not a row of psql: {line:?}"))?;
        stored.insert(id.trim().parse::<i64>()?, number.trim().parse::<u32>()?);
    }
    // Each acknowledgement removes its row, so a second one for the same row counts as lost.
    let is_lost = |(id, index): &&(i64, u32)| stored.remove(id) != Some(*index);
    let lost = observed.acknowledged.iter().filter(is_lost).count();
    let mut rest: HashMap<u32, usize> = HashMap::new();
    for index in stored.into_values() {
        *rest.entry(index).or_default() += 1;
    }
    let sent = |index: &u32| observed.unacknowledged.get(index).copied().unwrap_or_default();
    let never_submitted = rest.iter().map(|(index, count)| count.saturating_sub(sent(index))).sum();
    Ok((lost, never_submitted))
}

impl fmt::Display for ChaosReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (observed, seconds) = (&self.observed, self.took.as_secs_f64());
        let (name, requests) = ("requests", observed.requests);
        let rate = requests as f64 / seconds;
        writeln!(f, "{name:<34} {requests:>9} in {seconds:.0} s, {rate:.0} per second")?;
        let failures = observed.failures.iter().map(|(name, count)| (name.as_str(), *count));
        let counts = [
            ("acknowledged", observed.acknowledged.len()),
            ("refused with 503", observed.refused),
            ("refused with 503, small indices", observed.small_refused),
        ];
        for (name, count) in counts.into_iter().chain(failures).chain([
            ("lost", self.lost),
            ("never submitted", self.never_submitted),
            ("wrong values", observed.wrong_values.len()),
            ("lists of values read", observed.lists_read),
            ("values in event streams", observed.events_read),
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
        for MemoryUse { name, peak, at_end, limit } in &self.memory {
            writeln!(f, "{name:<34} {peak:>9.0} MB peak of {limit}, {at_end:.0} MB at the end")?;
        }
        Ok(())
    }
}
