//! What was acknowledged against what is there: in Postgres, as values over HTTP, in the queue, and in the memory of each part.
//!
//! It waits until everything has settled and reads; it harms nothing and mends nothing. What counts as a failure of the run is
//! for the test to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};

use super::fault::{Fault, redis};
use super::load::{Load, lock};
use super::memory::Weight;
use crate::{System, eventually};

/// Until everything is calculated that came in while parts were away.
const SETTLES: Duration = Duration::from_secs(120);

/// Values that are asked for at a time.
const ASKED: usize = 16;

/// The outcome of a run.
#[derive(Debug)]
pub struct Report {
    /// Submissions sent.
    pub requests: usize,
    /// Of these answered with 200.
    pub acknowledged: usize,
    /// Of these refused with 503.
    pub refused: usize,
    /// What the others got: statuses, or what became of the connection.
    pub failures: BTreeMap<String, usize>,
    /// Acknowledged, and not in Postgres, or there with another index or twice. Must be 0.
    pub lost: usize,
    /// Rows of Postgres that nobody sent. Must be 0.
    pub invented: usize,
    /// Values that were not what they should be, at any moment. Must be empty.
    pub wrong: Vec<String>,
    /// How often the whole list of values was looked at.
    pub looks: usize,
    /// How many values an event stream told meanwhile.
    pub heard: usize,
    /// Indices whose value was fetched and found right at the end.
    pub values: usize,
    /// How long faults went on.
    pub took: Duration,
    /// The longest recovery of each kind of fault, from its end until a new index had its value.
    pub recoveries: Vec<(String, usize, Duration)>,
    /// Memory of each part; not weighed in every run.
    pub memory: Vec<Weight>,
}

/// Waits until the system has settled, and compares.
pub(crate) async fn compare(
    system: &System,
    load: &Load,
    recoveries: Vec<(Fault, Duration)>,
    took: Duration,
) -> Result<Report> {
    let acknowledged = lock(&load.acknowledged).clone();
    let unanswered = lock(&load.unanswered).clone();
    let (lost, invented) = rows(system, &acknowledged, &unanswered)?;

    let indices: BTreeSet<u32> = acknowledged.iter().map(|(_, index)| *index).collect();
    let deadline = Instant::now() + SETTLES;
    let missing: Vec<u32> = stream::iter(indices.iter().copied())
        .map(async |index| {
            while !load.whole(index).await {
                if Instant::now() > deadline {
                    return Some(index);
                }
            }
            None
        })
        .buffer_unordered(ASKED)
        .filter_map(async |missing| missing)
        .collect()
        .await;
    ensure!(missing.is_empty(), "acknowledged, and without a value after {SETTLES:?}: {missing:?}");

    for (gauge, value) in [("queue_jobs", 0), ("dead_letters", 0), ("workers_alive", 2)] {
        eventually(&format!("{gauge} is {value}"), SETTLES, async || {
            let metrics = system.metrics(0).ok()?;
            metrics.lines().any(|line| line == format!("{gauge} {value}")).then_some(())
        })
        .await;
    }
    let services = || (0..2).flat_map(|n| [system.server(n), system.worker(n)]);
    for service in services() {
        service.wait_ready().with_context(|| format!("{} at the end", service.name()))?;
    }
    // The gauges count what is listed as queued; this is the queue itself.
    for key in ["jobs", "jobs:dead"] {
        let length = redis(system, &["XLEN", key])?;
        ensure!(length == "0", "{length} entries are left in the stream {key}");
    }
    Ok(Report {
        requests: load.requests.load(Ordering::Relaxed),
        acknowledged: acknowledged.len(),
        refused: load.refused.load(Ordering::Relaxed),
        failures: lock(&load.failures).clone(),
        lost,
        invented,
        wrong: lock(&load.wrong).clone(),
        looks: load.looks.load(Ordering::Relaxed),
        heard: load.heard.load(Ordering::Relaxed),
        values: indices.len(),
        took,
        recoveries: longest(&recoveries),
        memory: Vec::new(),
    })
}

/// Acknowledged rows that are not there as they were acknowledged, and rows that nobody can have sent.
fn rows(
    system: &System,
    acknowledged: &[(i64, u32)],
    unanswered: &HashMap<u32, usize>,
) -> Result<(usize, usize)> {
    let text = system.postgres().psql("postgres", "SELECT id, number FROM values")?;
    let mut stored = HashMap::new();
    for line in text.lines() {
        let (id, number) = line.split_once('|').with_context(|| format!("a row, not {line:?}"))?;
        stored.insert(id.trim().parse::<i64>()?, number.trim().parse::<u32>()?);
    }
    // Each acknowledgement takes its row away: two for one row would be one lost.
    let lost = acknowledged.iter().filter(|(id, index)| stored.remove(id) != Some(*index)).count();
    let mut rest: HashMap<u32, usize> = HashMap::new();
    for index in stored.into_values() {
        *rest.entry(index).or_default() += 1;
    }
    let sent = |index: &u32| unanswered.get(index).copied().unwrap_or_default();
    let invented = rest.iter().map(|(index, count)| count.saturating_sub(sent(index))).sum();
    Ok((lost, invented))
}

fn longest(recoveries: &[(Fault, Duration)]) -> Vec<(String, usize, Duration)> {
    let of = |kind: Fault| recoveries.iter().filter(move |(fault, _)| *fault == kind).map(|(_, took)| *took);
    let kinds = Fault::ALL.into_iter().filter(|kind| of(*kind).next().is_some());
    kinds.map(|kind| (kind.to_string(), of(kind).count(), of(kind).max().unwrap_or_default())).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.requests as f64 / self.took.as_secs_f64();
        writeln!(
            f,
            "{:<34} {:>9} in {:.0} s, {rate:.0} a second",
            "requests",
            self.requests,
            self.took.as_secs_f64()
        )?;
        for (name, count) in [("acknowledged", self.acknowledged), ("refused with 503", self.refused)] {
            writeln!(f, "{name:<34} {count:>9}")?;
        }
        for (name, count) in &self.failures {
            writeln!(f, "{name:<34} {count:>9}")?;
        }
        for (name, count) in [
            ("lost", self.lost),
            ("rows that nobody sent", self.invented),
            ("wrong values", self.wrong.len()),
            ("looks at all values", self.looks),
            ("values told by an event stream", self.heard),
            ("values fetched at the end", self.values),
        ] {
            writeln!(f, "{name:<34} {count:>9}")?;
        }
        for (fault, count, longest) in &self.recoveries {
            writeln!(f, "{fault:<34} {count:>9} times, recovered within {:.2} s", longest.as_secs_f64())?;
        }
        for Weight { name, peak, now, limit } in &self.memory {
            writeln!(f, "{name:<34} {peak:>9.0} MB at most of {limit}, {now:.0} MB now")?;
        }
        Ok(())
    }
}
