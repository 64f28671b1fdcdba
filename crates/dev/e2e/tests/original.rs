//! The original's own services beside ours, on one Redis and one Postgres: small stand-ins that speak exactly its protocol, for
//! the indices that it takes, up to 40.
//!
//! Its page is not among them: all that it uses are routes of the contract.

use std::time::Duration;

use e2e::{Options, System, eventually};
use futures_util::StreamExt;
use redis::AsyncCommands;

/// For what needs another process to do its part.
const BOUND: Duration = Duration::from_secs(30);

async fn connect(system: &System) -> (redis::aio::MultiplexedConnection, redis::aio::PubSub) {
    let client = redis::Client::open(system.redis().url()).expect("an address");
    let commands = client.get_multiplexed_async_connection().await.expect("Redis should answer");
    (commands, client.get_async_pubsub().await.expect("Redis should answer"))
}

/// What the original's server does with an index: a placeholder, an announcement, a row; in this order.
async fn original_server(system: &System, redis: &mut redis::aio::MultiplexedConnection, index: u32) {
    let _: () = redis.hset("values", index, "Nothing yet!").await.expect("HSET");
    let _: () = redis.publish("insert", index).await.expect("PUBLISH");
    system
        .postgres()
        .psql("postgres", &format!("INSERT INTO values(number) VALUES({index})"))
        .expect("INSERT");
}

/// What the original's worker calculates: it begins with 1, 1, so that its 10 gives 89.
fn original_value(index: u32) -> u64 {
    (0..index).fold((1, 1), |(a, b), _| (b, a + b)).0
}

fn fibonacci(index: u32) -> u64 {
    (0..index).fold((0, 1), |(a, b), _| (b, a + b)).0
}

async fn shows(system: &System, index: u32, value: u64) {
    eventually(&format!("index {index} is {value}"), BOUND, async || {
        (system.value(index).await? == value.to_string()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_an_original_server_takes_our_worker_calculates_and_our_server_shows() {
    let system = System::start(Options::default()).expect("the system should start");
    let (mut redis, _) = connect(&system).await;
    for index in 0..=40 {
        original_server(&system, &mut redis, index).await;
    }
    // One that both servers take.
    assert!(system.submit(7).await.expect("the edge should answer").status().is_success());
    for index in 0..=40 {
        shows(&system, index, fibonacci(index)).await;
    }
    let rows = system.get("/api/values/all").await.expect("the edge should answer");
    let rows: Vec<contract::Submission> = rows.json().await.expect("the contract's answer");
    let numbers: Vec<u32> = rows.iter().map(|row| row.number.get()).collect();
    assert_eq!(numbers, (0..=40).chain([7]).collect::<Vec<_>>());

    // The placeholder that an original server writes over a value is made good.
    original_server(&system, &mut redis, 7).await;
    shows(&system, 7, 13).await;
}

#[tokio::test]
async fn what_our_server_takes_an_original_worker_calculates() {
    let system = System::start(Options::default()).expect("the system should start");
    system.worker(0).stop().expect("the worker should stop");
    let (mut redis, mut announced) = connect(&system).await;
    announced.subscribe("insert").await.expect("SUBSCRIBE");
    let worker = tokio::spawn(async move {
        let mut messages = announced.into_on_message();
        while let Some(message) = messages.next().await {
            let index: u32 = message.get_payload().expect("an index");
            let _: () = redis.hset("values", index, original_value(index)).await.expect("HSET");
        }
    });
    for index in 0..=40 {
        assert!(system.submit(index).await.expect("the edge should answer").status().is_success());
    }
    for index in 0..=40 {
        shows(&system, index, original_value(index)).await;
    }
    worker.abort();

    // Ours calculates what is still in its queue, and then shows what is right.
    system.worker(0).start().expect("the worker should start");
    for index in 0..=40 {
        shows(&system, index, fibonacci(index)).await;
    }
}
