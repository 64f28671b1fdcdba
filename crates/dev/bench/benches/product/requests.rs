//! Requests a second: submissions and the two lists, against the Node edition and against Postgres
//! itself. Only one of them runs at a time. Ours has its worker beside it; the Node edition has
//! none, and answers before anything is stored.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use e2e::{LocalSite, Site};

use crate::load::{steady, wrk};
use crate::peers::{PGBENCH_CLIENTS, node, pgbench};
use crate::production;

const ROUNDS: usize = 5;

/// Entries of the lists.
const ENTRIES: u32 = 1_000;

/// How long the latency is measured.
const LATENCY_DURATION: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Rates {
    submit: Vec<f64>,
    submit_64: Vec<f64>,
    current: Vec<f64>,
    all: Vec<f64>,
    unchanged: Vec<f64>,
    insert: Vec<f64>,
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let system = Site::start_with(production());
    let submit = e2e::root().join("crates/dev/bench/peers/submit.lua");
    let submit = ["--script", submit.to_str().context("a path that is no text")?];
    // wrk uses the last --connections that it is given.
    let submit_64 = ["--connections", PGBENCH_CLIENTS, submit[0], submit[1]];
    let node = node(&system, ENTRIES)?;
    let node_url = |path: &str| format!("{}{path}", node.url());
    let api = &system.servers[0];
    let our_url = |path: &str| format!("{}{path}", api.url());

    // A thousand short values, for ours and, in the same hash, for Node.
    system.psql(&format!("INSERT INTO values SELECT generate_series(1, {ENTRIES})"))?;
    wait_for_values(&system).await;

    let stop = || api.stop().and_then(|_| system.workers[0].stop());
    stop()?;

    let (mut ours, mut peer) = (Rates::default(), Rates::default());
    let mut latency = Vec::new();
    for round in 0..ROUNDS {
        // In turn first: a machine grows slower or faster while it is measured.
        for is_ours in [round % 2 == 0, round % 2 == 1] {
            if is_ours {
                system.workers[0].start()?;
                api.start()?;
                wait_for_values(&system).await;
                ours.current.push(wrk(&our_url("/values/current"), &[])?);
                ours.all.push(wrk(&our_url("/values/all"), &[])?);
                ours.unchanged.push(unchanged(&our_url("/values/all")).await?);
                ours.submit_64.push(wrk(&our_url("/values"), &submit_64)?);
                let rate = wrk(&our_url("/values"), &submit)?;
                ours.submit.push(rate);
                let known = |number: usize, _| format!("{{\"index\":{}}}", number % 41);
                latency.push(
                    steady(api.port(), rate / 2.0, LATENCY_DURATION, known).await?.percentile(0.99),
                );
                stop()?;
            } else {
                peer.insert.push(pgbench(&system)?);
                node.start()?;
                peer.current.push(wrk(&node_url("/values/current"), &[])?);
                // Its list has no limit: reset, so that it has as many entries as ours.
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
    let rate = "requests/s";
    let (submit, node) = (Sample::new(ours.submit), "Node and Express");
    let (insert, pgbench) =
        (Sample::new(peer.insert), "pgbench, one row a transaction, 64 connections");
    Ok(vec![
        Figure::more(
            "POST /values of 0 to 40, all known, each answered after its commit, 256 connections",
            rate,
            submit.clone(),
            Goal::Times(5.0),
        )
        .against("Node and Express, answering before", Sample::new(peer.submit)),
        Figure::more("the same", rate, submit, Goal::Times(1.0)).against(pgbench, insert.clone()),
        Figure::more("the same over 64 connections", rate, Sample::new(ours.submit_64), Goal::Open)
            .against(pgbench, insert),
        Figure::less(
            "POST /values at half that rate, 99th percentile",
            "ms",
            Sample::new(latency),
            Goal::Below(20.0),
        ),
        Figure::more(
            "GET /values/current, 1,000 entries",
            rate,
            Sample::new(ours.current),
            Goal::Times(5.0),
        )
        .against(node, Sample::new(peer.current)),
        Figure::more(
            "GET /values/all, 1,000 entries",
            rate,
            Sample::new(ours.all.clone()),
            Goal::Times(5.0),
        )
        .against(node, Sample::new(peer.all)),
        Figure::more(
            "the same with its ETag: 304",
            rate,
            Sample::new(ours.unchanged),
            Goal::Times(1.0),
        )
        .against("without an ETag", Sample::new(ours.all)),
    ])
}

/// Waits until every value has been calculated.
async fn wait_for_values(system: &LocalSite) {
    e2e::eventually("all values are known", Duration::from_secs(60), async || {
        let values = system.try_get("/api/values/current").await.ok()?.text().await.ok()?;
        (values.matches(':').count() >= ENTRIES as usize && !values.contains(contract::PENDING))
            .then_some(())
    })
    .await;
}

/// Requests a second that have the list's ETag.
async fn unchanged(url: &str) -> Result<f64> {
    let answer = reqwest::get(url).await?;
    let tag = answer.headers().get("etag").context("an ETag")?.to_str()?.to_owned();
    let again = reqwest::Client::new().get(url).header("if-none-match", &tag).send().await?;
    ensure!(again.status() == reqwest::StatusCode::NOT_MODIFIED, "it has changed");
    wrk(url, &["--header", &format!("If-None-Match: {tag}")])
}
