//! Requests per second and latency of the api: submissions and the two lists, against the Node
//! edition and against inserts by pgbench. Only one of them runs at a time. Our api has its worker
//! beside it; the Node edition has none, and responds before anything is stored.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use e2e::{LocalSite, Site};

use crate::load::{submit_at_rate, wrk};
use crate::peers::{PGBENCH_CLIENTS, node, pgbench};
use crate::production;

const ROUNDS: usize = 5;

/// The number of entries in each list.
const ENTRIES: u32 = 1_000;

/// How long latency is measured in a round.
const LATENCY_DURATION: Duration = Duration::from_secs(10);

/// Requests per second, a result for each round.
#[derive(Default)]
struct Rates {
    submit: Vec<f64>,
    /// Over as many connections as pgbench has.
    submit_64: Vec<f64>,
    current: Vec<f64>,
    all: Vec<f64>,
    all_unchanged: Vec<f64>,
    /// Inserts by pgbench.
    insert: Vec<f64>,
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let system = Site::start_with(production());
    let submit = e2e::root().join("crates/dev/bench/peers/submit.lua");
    let submit = ["--script", submit.to_str().context("the path is not UTF-8")?];
    // wrk uses the last --connections that it is given.
    let submit_64 = ["--connections", PGBENCH_CLIENTS, submit[0], submit[1]];
    let node = node(&system, ENTRIES)?;
    let node_url = |path: &str| format!("{}{path}", node.url());
    let api = &system.servers[0];
    let our_url = |path: &str| format!("{}{path}", api.url());

    // A thousand short values. The Node edition reads the same hash.
    system.psql(&format!("INSERT INTO values SELECT generate_series(1, {ENTRIES})"))?;
    wait_for_values(&system).await;

    let stop_ours = || api.stop().and_then(|_| system.workers[0].stop());
    stop_ours()?;

    let (mut ours, mut peer) = (Rates::default(), Rates::default());
    let mut latencies = Vec::new();
    for round in 0..ROUNDS {
        // Each is first in every other round, because a machine may become slower or faster.
        for is_ours in [round % 2 == 0, round % 2 == 1] {
            if is_ours {
                system.workers[0].start()?;
                api.start()?;
                wait_for_values(&system).await;
                ours.current.push(wrk(&our_url("/values/current"), &[])?);
                ours.all.push(wrk(&our_url("/values/all"), &[])?);
                ours.all_unchanged.push(wrk_unchanged(&our_url("/values/all")).await?);
                ours.submit_64.push(wrk(&our_url("/values"), &submit_64)?);
                let rate = wrk(&our_url("/values"), &submit)?;
                ours.submit.push(rate);
                let body = |number: usize, _| format!("{{\"index\":{}}}", number % 41);
                let sample = submit_at_rate(api.port(), rate / 2.0, LATENCY_DURATION, body).await?;
                latencies.push(sample.percentile(0.99));
                stop_ours()?;
            } else {
                peer.insert.push(pgbench(&system)?);
                node.start()?;
                peer.current.push(wrk(&node_url("/values/current"), &[])?);
                // Its list has no limit. Reset it to as many entries as ours has.
                system.postgres.psql(
                    "peers",
                    &format!(
                        "TRUNCATE values; INSERT INTO values SELECT generate_series(1, {ENTRIES})"
                    ),
                )?;
                peer.all.push(wrk(&node_url("/values/all"), &[])?);
                peer.submit.push(wrk(&node_url("/values"), &submit)?);
                node.stop()?;
            }
        }
    }
    let unit = "requests/s";
    let (submit, node) = (Sample::new(ours.submit), "Node and Express");
    let (insert, pgbench) =
        (Sample::new(peer.insert), "pgbench, one row per transaction, 64 connections");
    let more_is_better = |title, ours, goal| Figure::more_is_better(title, unit, ours, goal);
    Ok(vec![
        more_is_better(
            "POST /values of known indices 0 to 40, response after the commit, 256 connections",
            submit.clone(),
            Goal::Times(5.0),
        )
        .against("Node and Express, response before the commit", Sample::new(peer.submit)),
        more_is_better("the same", submit, Goal::Times(1.0)).against(pgbench, insert.clone()),
        more_is_better("the same over 64 connections", Sample::new(ours.submit_64), Goal::Open)
            .against(pgbench, insert),
        Figure::less_is_better(
            "latency of POST /values at half the rate over 256 connections, 99th percentile",
            "ms",
            Sample::new(latencies),
            Goal::Below(20.0),
        ),
        more_is_better(
            "GET /values/current, 1,000 entries",
            Sample::new(ours.current),
            Goal::Times(5.0),
        )
        .against(node, Sample::new(peer.current)),
        more_is_better(
            "GET /values/all, 1,000 entries",
            Sample::new(ours.all.clone()),
            Goal::Times(5.0),
        )
        .against(node, Sample::new(peer.all)),
        more_is_better(
            "the same with a matching ETag, response 304",
            Sample::new(ours.all_unchanged),
            Goal::Times(1.0),
        )
        .against("without an ETag", Sample::new(ours.all)),
    ])
}

/// Waits until every value is calculated.
async fn wait_for_values(system: &LocalSite) {
    e2e::eventually("all values are calculated", Duration::from_secs(60), async || {
        let values = system.try_get("/api/values/current").await.ok()?.text().await.ok()?;
        (values.matches(':').count() >= ENTRIES as usize && !values.contains(contract::PENDING))
            .then_some(())
    })
    .await;
}

/// Requests per second for a list that has not changed since the client got its ETag.
async fn wrk_unchanged(url: &str) -> Result<f64> {
    let response = reqwest::get(url).await?;
    let tag = response.headers().get("etag").context("no ETag")?.to_str()?.to_owned();
    let second = reqwest::Client::new().get(url).header("if-none-match", &tag).send().await?;
    ensure!(second.status() == reqwest::StatusCode::NOT_MODIFIED, "the list has changed");
    wrk(url, &["--header", &format!("If-None-Match: {tag}")])
}
