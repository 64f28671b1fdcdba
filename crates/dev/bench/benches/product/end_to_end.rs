//! Latency from POST to server-sent event, at a constant rate of new indices. Each is timed from
//! when it was due, not from when it was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use e2e::{Site, ValueEvents};
use stack::lock;
use tokio::time::Instant;

use crate::load::submit_at_rate;
use crate::production;

/// Submissions per second.
const RATE: f64 = 1_000.0;

const DURATION: Duration = Duration::from_secs(10);

const ROUNDS: usize = 3;

/// Time allowed for the last values after the last submission is due.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// When each submission was due, by index.
type DueTimes = Arc<Mutex<HashMap<usize, Instant>>>;

/// Latencies of one round, in ms.
struct Round {
    from_post: Sample,
    from_commit: Sample,
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(measure_round().await?);
    }
    let of = |value: fn(&Round) -> f64| Sample::new(rounds.iter().map(value).collect());
    Ok(vec![
        Figure::less_is_better(
            "POST to server-sent event at 1,000 new indices a second, median",
            "ms",
            of(|round| round.from_post.median()),
            Goal::Below(5.0),
        ),
        Figure::less_is_better(
            "commit to server-sent event, 99th percentile",
            "ms",
            of(|round| round.from_commit.percentile(0.99)),
            Goal::Below(50.0),
        ),
    ])
}

async fn measure_round() -> Result<Round> {
    let system = Site::start_with(production());
    let port = system.servers[0].port();
    let events = reqwest::get(format!("http://127.0.0.1:{port}/events")).await?;
    let mut events = ValueEvents::new(events);
    let due_times = DueTimes::default();
    let count = (RATE * DURATION.as_secs_f64()) as usize;

    let noted = Arc::clone(&due_times);
    let submitting = tokio::spawn(submit_at_rate(port, RATE, DURATION, move |index, due| {
        lock(&noted).insert(index, due);
        format!("{{\"index\":{index}}}")
    }));
    let (mut from_post, mut from_commit) = (Vec::new(), Vec::new());
    let listening = async {
        while from_post.len() < count {
            let value = events.next().await?.context("the stream ended")?;
            let (now, clock) = (Instant::now(), UNIX_EPOCH.elapsed()?.as_micros() as u64);
            let due = lock(&due_times).remove(&(value.index.get() as usize));
            // A job may run twice, and its value is then sent twice.
            let Some(due) = due else { continue };
            from_post.push((now - due).as_secs_f64() * 1e3);
            from_commit.push(clock.saturating_sub(value.hops.committed) as f64 / 1e3);
        }
        anyhow::Ok(())
    };
    let outcome = tokio::time::timeout(DURATION + DRAIN_TIMEOUT, listening).await;
    ensure!(
        matches!(outcome, Ok(Ok(()))),
        "received {} of {count} values: {outcome:?}",
        from_post.len()
    );
    submitting.await??;
    Ok(Round { from_post: Sample::new(from_post), from_commit: Sample::new(from_commit) })
}
