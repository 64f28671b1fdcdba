//! Parts that stop, die and come back: what was accepted is never lost, and what is away says so.
//!
//! One fault at a time, and what a person sees of it; many at once and under load are in `chaos`.

use std::time::Duration;

use e2e::{Options, System, browsers, eventually};
use redis::AsyncCommands;
use reqwest::StatusCode;

/// For what needs a part to start, or a dead worker's job to be taken over, on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

async fn calculated(system: &System, index: u32, value: &str) {
    eventually(&format!("index {index} is {value}"), BOUND, async || {
        (system.value(index).await.as_deref() == Some(value)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_the_api_is_away_the_edge_and_the_page_say_so_and_both_recover() {
    let system = System::start(Options::default()).expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.shows("connection", "Live").await;
        system.server(0).stop().expect("the server should stop");

        let answer = system.get("/api/values/all").await.expect("the edge should answer");
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["retry-after"], "1");
        let id = answer.headers()["x-request-id"].to_str().expect("a readable id").to_owned();
        let problem: contract::Problem = answer.json().await.expect("a problem");
        assert_eq!((problem.status, problem.request_id), (502, Some(id)));

        page.shows("connection", "Connection lost, reconnecting…").await;
        page.submit("12").await;
        page.shows("error", "The server is away: it does not answer at the moment; try again.").await;
        assert_eq!(page.typed().await, "12");

        system.server(0).start().expect("the server should start");
        page.shows("connection", "Live").await;
        // What was typed is still there.
        page.submit("").await;
        page.shows("value", "For index 12 I calculated 144").await;
    })
    .await;
}

#[tokio::test]
async fn while_the_clients_nginx_is_away_the_edge_answers_with_a_page() {
    let system = System::start(Options::default()).expect("the system should start");
    system.client().stop().expect("nginx should stop");
    let answer = system.get("/").await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.text().await.expect("a body").contains("<h1>One moment</h1>"));
    assert_eq!(system.get("/api/").await.expect("the edge should answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_worker_killed_while_it_calculates_does_not_lose_an_index() {
    let server_env = vec![("MAX_INDEX".to_owned(), "100000000".to_owned())];
    let system =
        System::start(Options { server_env, ..Options::default() }).expect("the system should start");
    // Long enough to be met at work.
    let answer = system.submit(100_000_000).await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let metrics = format!("http://127.0.0.1:{}/metrics", system.worker_metrics(0));
    let counts = |line| stack::http_get(&metrics).is_ok_and(|answer| answer.body.lines().any(|l| l == line));
    eventually("the worker has taken the job", BOUND, async || counts("jobs_taken_total 1").then_some(()))
        .await;
    assert!(!counts(r#"jobs_total{outcome="done"} 1"#), "it was faster than this test");
    system.worker(0).kill().expect("the worker should die");
    assert_eq!(system.value(100_000_000).await.as_deref(), Some(contract::PENDING));

    system.worker(0).start().expect("a worker should start");
    calculated(&system, 100_000_000, "47371034734563369625…06082642167760546875 (20898764 digits)").await;
}

#[tokio::test]
async fn everything_is_still_there_after_a_stop_and_a_start() {
    let system = System::start(Options::default()).expect("the system should start");
    for index in [10, 11, 10] {
        let answer = system.submit(index).await.expect("the edge should answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    calculated(&system, 10, "55").await;
    system.stop().expect("everything should stop cleanly");
    system.run().expect("the system should start again");

    let answer = system.get("/api/values/all").await.expect("the edge should answer");
    let rows: Vec<contract::Submission> = answer.json().await.expect("the contract's answer");
    assert_eq!(rows.iter().map(|row| row.number.get()).collect::<Vec<_>>(), [10, 11, 10]);
    calculated(&system, 10, "55").await;
    calculated(&system, 11, "89").await;
    browsers(&system.url(), async |[page]| {
        page.shows("value", "For index 10 I calculated 55").await;
        page.shows("value", "For index 11 I calculated 89").await;
        assert_eq!(page.texts("seen-index").await, ["10", "11"]);
        assert_eq!(page.texts("seen-times").await, ["×2", ""]);
    })
    .await;
}

#[tokio::test]
async fn requests_are_answered_while_one_of_two_servers_is_away() {
    let system =
        System::start(Options { servers: 2, ..Default::default() }).expect("the system should start");
    system.server(0).kill().expect("the server should die");
    for _ in 0..8 {
        let answer = system.get("/api/values/current").await.expect("the edge should answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn an_index_too_large_for_the_machine_is_given_up_visibly_and_holds_nobody_up() {
    let env = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let options = Options {
        server_env: env("MAX_INDEX", "100000000"),
        worker_memory: Some(64 << 20),
        ..Options::default()
    };
    let system = System::start(options).expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.shows("connection", "Live").await;
        page.submit("100000000").await;
        page.shows("value", "For index 100,000,000: Nothing yet!").await;

        // The part that starts a container again when it has ended.
        eventually("the index is given up", Duration::from_secs(120), async || {
            if system.worker(0).exited().is_some() {
                system.worker(0).launch().expect("a worker");
            }
            system.metrics(0).ok()?.contains("dead_letters 1\n").then_some(())
        })
        .await;

        let words = "For index 100,000,000: Gave up after several attempts.";
        page.shows("value", words).await;
        page.client().refresh().await.expect("the page should load");
        page.shows("value", words).await;
        // Submitted again it is counted, and stays given up: an operator has to let it in again.
        page.submit("100000000").await;
        page.shows("seen-times", "×2").await;
        page.shows("journey-time", "not calculated").await;
        page.shows("value", words).await;
        page.submit("10").await;
        page.shows("value", "For index 10 I calculated 55").await;
    })
    .await;
    let client = redis::Client::open(system.redis().url()).expect("an address");
    let mut redis = client.get_multiplexed_async_connection().await.expect("Redis should answer");
    let dead: redis::streams::StreamRangeReply = redis.xrange_all("jobs:dead").await.expect("XRANGE");
    let letters: Vec<_> =
        dead.ids.iter().map(|letter| (letter.get("index"), letter.get("deliveries"))).collect();
    assert_eq!(letters, [(Some(100_000_000), Some(3))]);
    let answer = system.get("/api/values/failed").await.expect("the edge should answer");
    assert_eq!(answer.json::<Vec<u32>>().await.expect("JSON"), [100_000_000]);
    assert!(system.worker(0).exited().is_none(), "it kills nobody any more");
    assert!(system.worker(0).log().contains("a job was given up"));
}
