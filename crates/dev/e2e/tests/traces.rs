//! The trace of a submission, as a collector receives it from api and worker.

use std::time::Duration;

use e2e::{Collector, LocalSite, ReceivedSpan, Site, eventually};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stack::SystemOptions;
use tokio::net::TcpListener;

/// Limit for spans and log lines to arrive, on a busy machine.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN_ID: &str = "00f067aa0ba902b7";

/// A system whose servers and workers have these environment variables.
fn start(server_env: &[(&'static str, &str)], worker_env: &[(&'static str, &str)]) -> LocalSite {
    let owned = |env: &[(&'static str, &str)]| {
        env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    Site::start_with(SystemOptions {
        server_env: owned(server_env),
        worker_env: owned(worker_env),
        ..SystemOptions::default()
    })
}

/// Submits an index as a client whose trace has the flags `flags`.
async fn submit(site: &LocalSite, index: u32, flags: &str) {
    let traceparent = format!("00-{TRACE_ID}-{CLIENT_SPAN_ID}-{flags}");
    let request = site.request(Method::POST, "/api/values").header("traceparent", traceparent);
    let response = request.json(&json!({ "index": index })).send().await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The span `name` of the client's trace.
fn find(spans: &[ReceivedSpan], name: &str) -> Option<ReceivedSpan> {
    let is_it = |received: &&ReceivedSpan| {
        received.span.name == name && hex(&received.span.trace_id) == TRACE_ID
    };
    spans.iter().find(is_it).cloned()
}

#[tokio::test]
async fn a_submission_is_one_trace_through_edge_api_queue_and_worker() {
    let collector = Collector::start().await;
    let env =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let site = start(&env, &env);
    submit(&site, 1_000, "00").await;
    let names = ["POST /values", "commit", "push", "job", "calculation", "store"];
    let spans = eventually("all spans of the submission arrive", ARRIVAL_TIMEOUT, async || {
        let spans = collector.spans();
        names.iter().map(|name| find(&spans, name)).collect::<Option<Vec<_>>>()
    })
    .await;
    let [request, commit, push, job, calculation, store] = &spans[..] else { unreachable!() };
    assert_eq!(hex(&request.span.parent_span_id), CLIENT_SPAN_ID);
    for (child, parent, service) in [
        (commit, request, "fibonacci-api"),
        (push, request, "fibonacci-api"),
        (job, push, "fibonacci-worker"),
        (calculation, job, "fibonacci-worker"),
        (store, job, "fibonacci-worker"),
    ] {
        let name = &child.span.name;
        assert_eq!(child.span.parent_span_id, parent.span.span_id, "the parent of {name}");
        assert_eq!(child.service, service, "{name}");
        assert!(child.span.start_time_unix_nano >= parent.span.start_time_unix_nano, "{name}");
        let is_queued = name == "job";
        assert!(
            is_queued || child.span.end_time_unix_nano <= parent.span.end_time_unix_nano,
            "{name}"
        );
    }
    assert!(is_linked(request, commit) && is_linked(commit, request), "{spans:?}");

    for (part, log) in [("api", site.servers[0].log()), ("worker", site.workers[0].log())] {
        let has_trace_id = |line: &str| {
            let line: Option<Value> = serde_json::from_str(line).ok();
            line.is_some_and(|line| line["trace_id"] == TRACE_ID && line["request_id"].is_string())
        };
        assert!(log.lines().any(has_trace_id), "{part}: {log}");
    }
}

fn is_linked(from: &ReceivedSpan, to: &ReceivedSpan) -> bool {
    from.span.links.iter().any(|link| link.span_id == to.span.span_id)
}

#[tokio::test]
async fn submissions_that_share_a_commit_are_linked_with_it() {
    let collector = Collector::start().await;
    let env =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let site = start(&env, &[]);
    eventually("linked submissions share a commit", ARRIVAL_TIMEOUT, async || {
        join_all((0..50).map(|index| site.submit(index))).await;
        let spans = collector.spans();
        let is_shared =
            |span: &&ReceivedSpan| span.span.name == "commit" && span.span.links.len() > 1;
        spans.iter().filter(is_shared).find(|commit| {
            let linked = spans.iter().filter(|span| is_linked(commit, span));
            let linked_back = linked.filter(|request| is_linked(request, commit)).count();
            linked_back == commit.span.links.len()
        })?;
        Some(())
    })
    .await;
}

// The collector receives while the test waits for the shutdown.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_at_shutdown() {
    let collector = Collector::start().await;
    let env =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let site = start(&env, &env);
    submit(&site, 30, "01").await;
    site.wait_for_value(30, "832040").await;
    site.stop().expect("all services should stop");
    let spans = collector.spans();
    for name in ["POST /values", "store"] {
        assert!(find(&spans, name).is_some(), "{name} is missing: {spans:?}");
    }
}

// The collector receives while the test waits for the shutdown.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_force_that_its_trace_is_sent() {
    let collector = Collector::start().await;
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    // The worker would send all traces, but follows the api.
    let site = start(&env, &env[..1]);
    submit(&site, 30, "01").await;
    site.wait_for_value(30, "832040").await;
    site.stop().expect("all services should stop");
    let spans = collector.spans();
    assert!(spans.is_empty(), "{spans:?}");
}

#[tokio::test]
async fn an_unavailable_collector_neither_delays_nor_fills_the_log() {
    // Accepts connections and never responds.
    let unresponsive = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let unresponsive = format!("http://{}", unresponsive.local_addr().expect("an address"));
    let closed = stack::Port::free().expect("a port");
    let closed = format!("http://127.0.0.1:{}", closed.number());
    let site = start(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &unresponsive), ("OTEL_BSP_SCHEDULE_DELAY", "100")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &closed), ("OTEL_BSP_SCHEDULE_DELAY", "100")],
    );
    for round in 0..20 {
        join_all((0..50).map(|index| site.submit(50 * round + index))).await;
    }
    let worker = &site.workers[0];
    let warning = "traces cannot be sent";
    worker.wait_for_log(warning, ARRIVAL_TIMEOUT).expect("a warning");
    site.submit_all([30]).await;
    site.wait_for_value(30, "832040").await;
    assert_eq!(worker.log().matches(warning).count(), 1, "{}", worker.log());
    // Fails if a process does not end in time with exit code 0.
    site.stop().expect("all services should stop");
}
