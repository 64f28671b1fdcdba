//! Parts that stop, die and come back: what was accepted is never lost, and what is away says so.

use std::time::Duration;

use e2e::{Options, System, browsers, eventually};
use reqwest::StatusCode;
use stack::Signal;

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
        let problem: api::Problem = answer.json().await.expect("a problem");
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
async fn a_killed_worker_does_not_lose_an_index() {
    let system = System::start(Options::default()).expect("the system should start");
    // Frozen, it still holds its connection, so Redis may hand it the job; it can neither finish nor give it back.
    system.worker(0).signal(Signal::STOP).expect("the worker should freeze");
    let answer = system.submit(40).await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(system.value(40).await.as_deref(), Some(api::PENDING));
    system.worker(0).kill().expect("the worker should die");

    system.worker(0).start().expect("a worker should start");
    calculated(&system, 40, "102334155").await;
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
    let rows: Vec<api::Submission> = answer.json().await.expect("the contract's answer");
    assert_eq!(rows.iter().map(|row| row.number.get()).collect::<Vec<_>>(), [10, 11, 10]);
    calculated(&system, 10, "55").await;
    calculated(&system, 11, "89").await;
    browsers(&system.url(), async |[page]| {
        page.shows("value", "For index 10 I calculated 55").await;
        page.shows("value", "For index 11 I calculated 89").await;
        assert_eq!(page.texts("seen-index").await, ["10", "11", "10"]);
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
