//! Single faults, and how the edge, the page and the queue react to them. `chaos` combines faults
//! with load.

use e2e::{LocalSite, Site, eventually, header_values};
use reqwest::StatusCode;
use stack::SystemOptions;
use stack::testing::TEST_TIMEOUT;

#[tokio::test]
async fn the_page_reports_an_unavailable_api_and_recovers() {
    let site = Site::start();
    let page = site.open("/").await;
    site.servers[0].stop().expect("the server should stop");
    page.wait_for_text("connection", "Connection lost, reconnecting…").await;
    page.submit("12").await;
    page.wait_for_text("form-notice", "The server is unavailable. Try again.").await;
    assert_eq!(page.field_text().await, "12");

    site.servers[0].start().expect("the server should start");
    page.wait_for_text("connection", "Live").await;
    // Submits the text that is still in the field.
    page.submit("").await;
    page.wait_for_text("value", "For index 12 I calculated 144").await;
}

#[tokio::test]
async fn the_edge_serves_an_error_page_while_the_client_is_unavailable() {
    let site = Site::start();
    site.client.stop().expect("nginx should stop");
    let response = site.get("/").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert!(response.text().await.expect("a body").contains("<h1>One moment</h1>"));
    assert_eq!(site.get("/api/").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn submissions_and_values_survive_a_restart_of_everything() {
    let site = Site::start();
    site.submit_all([10, 11, 10]).await;
    site.wait_for_value(10, "55").await;
    site.stop().expect("all processes should stop cleanly");
    site.start(&|| false).expect("the system should start again");

    let rows = site.submissions().await;
    assert_eq!(rows.iter().map(|row| row.number.get()).collect::<Vec<_>>(), [10, 11, 10]);
    site.wait_for_value(10, "55").await;
    site.wait_for_value(11, "89").await;
}

#[tokio::test]
async fn requests_succeed_while_one_of_two_servers_is_unavailable() {
    let site = Site::start_with(SystemOptions { servers: 2, ..Default::default() });
    site.servers[0].kill().expect("the server should die");
    for _ in 0..8 {
        assert_eq!(site.get("/api/values/current").await.status(), StatusCode::OK);
    }
}

/// An index whose calculation needs more memory than [`start_with_little_memory`] allows.
const TOO_LARGE_INDEX: u32 = 100_000_000;

/// Starts a system that accepts [`TOO_LARGE_INDEX`] and whose worker has 64 MiB of memory.
fn start_with_little_memory() -> LocalSite {
    Site::start_with(SystemOptions {
        server_env: vec![("MAX_INDEX", TOO_LARGE_INDEX.to_string())],
        worker_memory: Some(64 << 20),
        ..SystemOptions::default()
    })
}

/// Restarts the worker whenever it ends, as Docker would, until a job is dead-lettered.
async fn wait_for_dead_letter(site: &LocalSite) {
    eventually("the job is dead-lettered", 2 * TEST_TIMEOUT, async || {
        if site.workers[0].exited().is_some() {
            site.workers[0].launch().expect("the worker should start");
        }
        site.servers[0].metrics().ok()?.contains("dead_letters 1\n").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_job_that_keeps_killing_its_worker_is_dead_lettered() {
    let site = start_with_little_memory();
    site.submit(TOO_LARGE_INDEX).await;
    wait_for_dead_letter(&site).await;
    let entries = site.redis.cli(&["XRANGE", "jobs:dead", "-", "+"]).expect("Redis should reply");
    let fields: Vec<&str> = entries.lines().collect();
    for field in [["index", "100000000"], ["deliveries", "3"]] {
        assert_eq!(fields.windows(2).filter(|pair| **pair == field).count(), 1, "{entries}");
    }
    let dead_letters: Vec<u32> = site.get("/api/values/failed").await.json().await.expect("a list");
    assert_eq!(dead_letters, [TOO_LARGE_INDEX]);
    let logged = site.workers[0].wait_for_log("job became a dead letter", TEST_TIMEOUT);
    logged.expect("the dead letter should be logged");

    site.submit(10).await;
    site.wait_for_value(10, "55").await;
    assert!(site.workers[0].exited().is_none(), "the worker should run the next job");
}

#[tokio::test]
async fn the_page_shows_a_dead_lettered_index_as_failed() {
    let site = start_with_little_memory();
    let page = site.open("/").await;
    page.submit(&TOO_LARGE_INDEX.to_string()).await;
    page.wait_for_text("value", "For index 100,000,000: Nothing yet!").await;
    wait_for_dead_letter(&site).await;

    let text = "For index 100,000,000: The calculation failed several times.";
    page.wait_for_text("value", text).await;
    page.reload().await;
    page.wait_for_text("value", text).await;
    // Another submission is counted but not queued: only an operator can retry a dead letter.
    page.submit(&TOO_LARGE_INDEX.to_string()).await;
    page.wait_for_text("seen-times", "×2").await;
    page.wait_for_text("journey-time", "not calculated").await;
    page.wait_for_text("value", text).await;
}

#[tokio::test]
async fn only_errors_that_a_client_may_retry_have_retry_after() {
    let site = Site::start();
    let dead_letter = ["XADD", "jobs:dead", "1-1", "deliveries", "3", "index", "10"];
    site.redis.cli(&dead_letter).expect("a dead letter");
    site.redis.cli(&["HSET", "jobs:dead:indices", "10", "1-1"]).expect("its index");
    site.submit(10).await;
    let response = site.get("/api/values/10").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header_values(&response, "retry-after"), [""; 0]);
}
