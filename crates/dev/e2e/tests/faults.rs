//! One fault at a time, and what the edge and the page show of it. Many at once are in `chaos`.

use e2e::{LocalSite, Site, eventually};
use reqwest::StatusCode;
use stack::SystemOptions;
use stack::testing::TEST_TIMEOUT;

fn with_max_index(index: u32) -> SystemOptions {
    SystemOptions { server_env: vec![("MAX_INDEX", index.to_string())], ..SystemOptions::default() }
}

#[tokio::test]
async fn the_page_says_that_the_api_is_unavailable_and_recovers() {
    let site = Site::start();
    let page = site.open("/").await;
    site.servers[0].stop().expect("the server should stop");
    page.shows("connection", "Connection lost, reconnecting…").await;
    page.submit("12").await;
    page.shows("form-notice", "The server is unavailable. You can try again now.").await;
    assert_eq!(page.typed().await, "12");

    site.servers[0].start().expect("the server should start");
    page.shows("connection", "Live").await;
    // The text in the field is still there.
    page.submit("").await;
    page.shows("value", "For index 12 I calculated 144").await;
}

#[tokio::test]
async fn the_edge_answers_with_a_page_while_the_clients_nginx_is_unavailable() {
    let site = Site::start();
    site.client.stop().expect("nginx should stop");
    let answer = site.get("/").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.text().await.expect("a body").contains("<h1>One moment</h1>"));
    assert_eq!(site.get("/api/").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn submissions_and_values_survive_a_restart_of_everything() {
    let site = Site::start();
    site.submit_all([10, 11, 10]).await;
    site.wait_for_value(10, "55").await;
    site.stop().expect("everything should stop cleanly");
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

/// Restarts the worker each time that it ends, as Docker would, until a job is dead-lettered.
async fn wait_for_dead_letter(site: &LocalSite) {
    eventually("the job is dead-lettered", 2 * TEST_TIMEOUT, async || {
        if site.workers[0].exited().is_some() {
            site.workers[0].launch().expect("a worker");
        }
        site.servers[0].metrics().ok()?.contains("dead_letters 1\n").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_job_that_keeps_killing_its_worker_is_dead_lettered() {
    let site = Site::start_with(SystemOptions {
        worker_memory: Some(64 << 20),
        ..with_max_index(100_000_000)
    });
    // Its calculation needs more memory than the worker has.
    site.submit(100_000_000).await;
    wait_for_dead_letter(&site).await;
    let letters = site.redis.cli(&["XRANGE", "jobs:dead", "-", "+"]).expect("Redis should answer");
    let fields: Vec<&str> = letters.lines().collect();
    for field in [["index", "100000000"], ["deliveries", "3"]] {
        assert_eq!(fields.windows(2).filter(|pair| **pair == field).count(), 1, "{letters}");
    }
    let failed: Vec<u32> = site.get("/api/values/failed").await.json().await.expect("a list");
    assert_eq!(failed, [100_000_000]);
    site.workers[0]
        .wait_for_log("job became a dead letter", TEST_TIMEOUT)
        .expect("it should be logged");

    // The next job is calculated.
    site.submit(10).await;
    site.wait_for_value(10, "55").await;
    assert!(site.workers[0].exited().is_none(), "the worker should not end any more");
}

#[tokio::test]
async fn the_page_shows_a_dead_lettered_index_as_failed() {
    let site = Site::start_with(SystemOptions {
        worker_memory: Some(64 << 20),
        ..with_max_index(100_000_000)
    });
    let page = site.open("/").await;
    page.submit("100000000").await;
    page.shows("value", "For index 100,000,000: Nothing yet!").await;
    wait_for_dead_letter(&site).await;

    let words = "For index 100,000,000: The calculation failed several times.";
    page.shows("value", words).await;
    page.reload().await;
    page.shows("value", words).await;
    // A further submission is counted but not queued: an operator has to allow that.
    page.submit("100000000").await;
    page.shows("seen-times", "×2").await;
    page.shows("journey-time", "not calculated").await;
    page.shows("value", words).await;
}
