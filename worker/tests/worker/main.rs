//! Tests of worker processes, each test with a Redis of its own. The tests act as the api: they
//! queue jobs and subscribe to the results channel.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod jobs;
mod memory;
mod process;
mod storage;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use contract::{Hops, Index, SubmissionState, SubmitResponse, ValueEvent};
use queue::{
    CachedValue, Channel, Consumer, JobClass, Producer, QueueEvent, QueueMonitor, RedisClient,
    Subscription, ValueCache,
};
use redis::AsyncTypedCommands;
use stack::testing::{Private, TEST_TIMEOUT};
use stack::{Binary, Builder, Port, Process, eventually, http_get, isolated, wait_until};

/// An index whose calculation takes a quarter of a second, so that a test can act meanwhile.
const SLOW_INDEX: u32 = 100_000_000;
/// The number of digits of its value.
const SLOW_DIGITS: usize = 20_898_764;
/// The default MAX_INDEX.
const MAX_INDEX: u32 = 10_000_000;

/// A Redis, and the api's side of the queue in it.
struct TestQueue {
    redis: Private<stack::Redis>,
    client: RedisClient,
    producer: Producer,
    results: Subscription,
}

struct WorkerProcess {
    service: Binary,
}

fn command(port: u16) -> Builder {
    isolated(Process::builder("worker", env!("CARGO_BIN_EXE_worker")), port)
}

impl TestQueue {
    async fn start() -> Self {
        let redis = stack::testing::redis().unwrap();
        let client = RedisClient::open(&redis.url()).unwrap();
        let results = Subscription::open(&client, Channel::Results).await.unwrap();
        Self { producer: Producer::new(client.clone(), 10_000), redis, client, results }
    }

    /// A worker that is not running yet.
    fn builder(&self, port: u16) -> Builder {
        command(port).env("REDIS_URL", self.redis.url())
    }

    fn start_worker(&self) -> WorkerProcess {
        self.start_worker_with(&[])
    }

    /// Starts a worker with these environment variables, and waits until it is ready.
    fn start_worker_with(&self, variables: &[(&str, &str)]) -> WorkerProcess {
        let port = Port::free().unwrap();
        let builder = self.builder(port.number());
        let builder =
            variables.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        let worker = WorkerProcess { service: Binary::new(builder, port.clone(), port) };
        worker.service.launch().unwrap();
        worker.service.wait_ready().unwrap();
        worker
    }

    async fn submit(&self, numbers: impl IntoIterator<Item = u32>) {
        let mut submissions: Vec<_> = numbers.into_iter().map(submission).collect();
        self.producer.submit(&mut submissions).await.unwrap();
        assert!(submissions.iter().all(|submission| submission.state == SubmissionState::Queued));
    }

    /// Waits for the next `count` values that workers announce.
    async fn next_values(&mut self, count: usize) -> Vec<ValueEvent> {
        let mut values = Vec::new();
        while values.len() < count {
            let message = tokio::time::timeout(TEST_TIMEOUT, self.results.next())
                .await
                .expect("no value came")
                .unwrap();
            values.extend(QueueEvent::parse(&message).filter_map(|event| match event {
                Some(QueueEvent::Value(value)) => Some(value),
                _ => None,
            }));
        }
        values
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.redis.url())
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap()
    }
}

impl WorkerProcess {
    fn get(&self, path: &str) -> String {
        http_get(&format!("{}{path}", self.service.url())).unwrap().body
    }

    /// Waits until the worker has received a job. To ask Redis whether it has delivered one would
    /// be too early, because the worker may not have read the reply yet.
    fn wait_until_taken(&self) {
        let has_taken = |metrics: &str| {
            metrics
                .lines()
                .any(|line| line.starts_with("jobs_taken_total ") && line != "jobs_taken_total 0")
        };
        wait_until("the worker has taken a job", TEST_TIMEOUT, || has_taken(&self.get("/metrics")))
            .unwrap();
    }
}

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn submission(number: u32) -> SubmitResponse {
    let submission =
        SubmitResponse::new(index(number), format!("request-{number}"), Hops::default());
    SubmitResponse { id: number.into(), ..submission }
}
