//! The original's own services beside ours, on one Redis and one Postgres: small stand-ins that
//! speak its protocol, for the indices that it takes, up to 40. Its page needs only routes of the
//! contract.

use e2e::{LocalSite, Site};
use futures_util::StreamExt;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

async fn connect(site: &LocalSite) -> (MultiplexedConnection, redis::aio::PubSub) {
    let client = redis::Client::open(site.redis.url()).expect("an address");
    let commands = client.get_multiplexed_async_connection().await.expect("Redis should answer");
    (commands, client.get_async_pubsub().await.expect("Redis should answer"))
}

/// Submits an index as the original's server does: a placeholder, a message, a row; in this order.
async fn submit_to_original(site: &LocalSite, redis: &mut MultiplexedConnection, index: u32) {
    let _: () = redis.hset("values", index, "Nothing yet!").await.expect("HSET");
    let _: () = redis.publish("insert", index).await.expect("PUBLISH");
    site.psql(&format!("INSERT INTO values(number) VALUES({index})")).expect("INSERT");
}

/// The original's result: it begins with 1, 1, so that its 10 gives 89.
fn original_value(index: u32) -> u64 {
    (0..index).fold((1, 1), |(a, b), _| (b, a + b)).0
}

fn fibonacci(index: u32) -> u64 {
    (0..index).fold((0, 1), |(a, b), _| (b, a + b)).0
}

async fn wait_for_values(site: &LocalSite, value: fn(u32) -> u64) {
    for index in 0..=40 {
        site.wait_for_value(index, &value(index).to_string()).await;
    }
}

#[tokio::test]
async fn our_worker_and_our_server_work_with_an_original_server() {
    let site = Site::start();
    let (mut redis, _) = connect(&site).await;
    for index in 0..=40 {
        submit_to_original(&site, &mut redis, index).await;
    }
    // One that both servers get.
    site.submit(7).await;
    wait_for_values(&site, fibonacci).await;
    let rows = site.submissions().await;
    let numbers: Vec<u32> = rows.iter().map(|row| row.number.get()).collect();
    assert_eq!(numbers, (0..=40).chain([7]).collect::<Vec<_>>());

    // The placeholder that an original server writes over a value is repaired.
    submit_to_original(&site, &mut redis, 7).await;
    site.wait_for_value(7, "13").await;
}

#[tokio::test]
async fn an_original_worker_works_with_our_server() {
    let site = Site::start();
    site.workers[0].stop().expect("the worker should stop");
    let (mut redis, mut announced) = connect(&site).await;
    announced.subscribe("insert").await.expect("SUBSCRIBE");
    let worker = tokio::spawn(async move {
        let mut messages = announced.into_on_message();
        while let Some(message) = messages.next().await {
            let index: u32 = message.get_payload().expect("an index");
            let _: () = redis.hset("values", index, original_value(index)).await.expect("HSET");
        }
    });
    site.submit_all(0..=40).await;
    wait_for_values(&site, original_value).await;
    worker.abort();

    // Ours calculates what is still in its queue, and its values replace those.
    site.workers[0].start().expect("the worker should start");
    wait_for_values(&site, fibonacci).await;
}
