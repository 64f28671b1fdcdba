//! Compatibility with the server and the worker of the original application, on the same Redis and
//! Postgres as ours. The tests speak their protocol. The original's page needs only routes of the
//! HTTP contract.

use e2e::{LocalSite, Site};
use futures_util::StreamExt;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

/// The original accepts no higher index.
const MAX_INDEX: u32 = 40;

async fn connect(site: &LocalSite) -> (MultiplexedConnection, redis::aio::PubSub) {
    let client = redis::Client::open(site.redis.url()).expect("an address");
    let commands = client.get_multiplexed_async_connection().await.expect("Redis should respond");
    (commands, client.get_async_pubsub().await.expect("Redis should respond"))
}

/// Does what the original's server does for a submission, in this order: it stores the placeholder,
/// publishes the index, and inserts the row.
async fn submit_like_original(site: &LocalSite, redis: &mut MultiplexedConnection, index: u32) {
    let _: () = redis.hset("values", index, "Nothing yet!").await.expect("HSET");
    let _: () = redis.publish("insert", index).await.expect("PUBLISH");
    site.psql(&format!("INSERT INTO values(number) VALUES({index})")).expect("INSERT");
}

/// The value of the original's worker, whose sequence begins with 1, 1: index 10 gives 89.
fn original_value(index: u32) -> u64 {
    (0..index).fold((1, 1), |(a, b), _| (b, a + b)).0
}

fn fibonacci(index: u32) -> u64 {
    (0..index).fold((0, 1), |(a, b), _| (b, a + b)).0
}

async fn wait_for_values(site: &LocalSite, value: fn(u32) -> u64) {
    for index in 0..=MAX_INDEX {
        site.wait_for_value(index, &value(index).to_string()).await;
    }
}

#[tokio::test]
async fn our_worker_and_our_server_work_with_an_original_server() {
    let site = Site::start();
    let (mut redis, _) = connect(&site).await;
    for index in 0..=MAX_INDEX {
        submit_like_original(&site, &mut redis, index).await;
    }
    // An index that both servers accept.
    site.submit(7).await;
    wait_for_values(&site, fibonacci).await;
    let rows = site.submissions().await;
    let numbers: Vec<u32> = rows.iter().map(|row| row.number.get()).collect();
    assert_eq!(numbers, (0..=MAX_INDEX).chain([7]).collect::<Vec<_>>());

    // The original's server overwrites the value with the placeholder; our server repairs it.
    submit_like_original(&site, &mut redis, 7).await;
    site.wait_for_value(7, "13").await;
}

#[tokio::test]
async fn an_original_worker_works_with_our_server() {
    let site = Site::start();
    site.workers[0].stop().expect("the worker should stop");
    let (mut redis, mut subscription) = connect(&site).await;
    subscription.subscribe("insert").await.expect("SUBSCRIBE");
    let original_worker = tokio::spawn(async move {
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            let index: u32 = message.get_payload().expect("an index");
            let _: () = redis.hset("values", index, original_value(index)).await.expect("HSET");
        }
    });
    site.submit_all(0..=MAX_INDEX).await;
    wait_for_values(&site, original_value).await;
    original_worker.abort();

    // Our worker calculates the jobs that are still in its queue, and replaces the values.
    site.workers[0].start().expect("the worker should start");
    wait_for_values(&site, fibonacci).await;
}
