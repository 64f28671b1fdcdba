//! Latency from POST to server-sent event, at a constant rate of new indices. Each submission is
//! timed from when it was due, not from when it was sent: see `load`.

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

/// Time during which a round submits.
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
    let sample = |result: fn(&Round) -> f64| Sample::new(rounds.iter().map(result).collect());
    Ok(vec![
        Figure::less_is_better(
            "POST to server-sent event at 1,000 new indices a second, median",
            "ms",
            sample(|round| round.from_post.median()),
            Goal::Below(5.0),
        ),
        Figure::less_is_better(
            "commit to server-sent event, 99th percentile",
            "ms",
            sample(|round| round.from_commit.percentile(0.99)),
            Goal::Below(50.0),
        ),
    ])
}

async fn measure_round() -> Result<Round> {
    let site = Site::start_with(production());
    let port = site.servers[0].port();
    let response = reqwest::get(format!("http://127.0.0.1:{port}/events")).await?;
    let mut events = ValueEvents::new(response);
    let due_times = DueTimes::default();
    let count = (RATE * DURATION.as_secs_f64()) as usize;

    let body = {
        let due_times = Arc::clone(&due_times);
        move |index, due| {
            lock(&due_times).insert(index, due);
            format!("{{\"index\":{index}}}")
        }
    };
    let submitting = tokio::spawn(submit_at_rate(port, RATE, DURATION, body));
    let (mut from_post, mut from_commit) = (Vec::new(), Vec::new());
    let listening = async {
        while from_post.len() < count {
            let value = events.next().await?.context("the event stream ended")?;
            let (now, now_micros) = (Instant::now(), UNIX_EPOCH.elapsed()?.as_micros() as u64);
            let due = lock(&due_times).remove(&(value.index.get() as usize));
            // A job may run twice. Its second event has no due time any more.
            let Some(due) = due else { continue };
            from_post.push((now - due).as_secs_f64() * 1e3);
            from_commit.push(now_micros.saturating_sub(value.hops.committed) as f64 / 1e3);
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
