//! Tests of worker processes, each with a Redis of its own. The tests play the server: they put
//! jobs into the queue and listen to the results channel.

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

/// Takes so long to calculate, a quarter of a second, that a worker is met at work; and its digits.
const LONG: u32 = 100_000_000;
const LONG_DIGITS: usize = 20_898_764;
/// The largest that is calculated when nobody says otherwise.
const LARGEST: u32 = 10_000_000;

struct Stage {
    redis: RedisClient,
    producer: Producer,
    results: Subscription,
    server: Private<stack::Redis>,
}

/// A worker process.
struct WorkerProcess {
    service: Binary,
}

fn command(port: u16) -> Builder {
    isolated(Process::builder("worker", env!("CARGO_BIN_EXE_worker")), port)
}

impl Stage {
    async fn start() -> Self {
        let server = stack::testing::redis().unwrap();
        let redis = RedisClient::open(&server.url()).unwrap();
        let results = Subscription::open(&redis, Channel::Results).await.unwrap();
        Self { producer: Producer::new(redis.clone(), 10_000), redis, results, server }
    }

    /// A worker that is not running yet.
    fn builder(&self, port: u16) -> Builder {
        command(port).env("REDIS_URL", self.server.url())
    }

    fn worker(&self) -> WorkerProcess {
        self.worker_with(&[])
    }

    fn worker_with(&self, variables: &[(&str, &str)]) -> WorkerProcess {
        let worker = self.worker_unready(variables);
        worker.service.wait_ready().unwrap();
        worker
    }

    /// A worker that may not be ready yet.
    fn worker_unready(&self, variables: &[(&str, &str)]) -> WorkerProcess {
        let port = Port::free().unwrap();
        let builder = self.builder(port.number());
        let builder =
            variables.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        let worker = WorkerProcess { service: Binary::new(builder, port.clone(), port) };
        worker.service.launch().unwrap();
        worker
    }

    async fn submit(&self, numbers: impl IntoIterator<Item = u32>) {
        let mut submissions: Vec<_> = numbers.into_iter().map(submission).collect();
        self.producer.submit(&mut submissions).await.unwrap();
        assert!(submissions.iter().all(|submission| submission.state == SubmissionState::Queued));
    }

    /// The next `count` values.
    async fn values(&mut self, count: usize) -> Vec<ValueEvent> {
        let mut values = Vec::new();
        while values.len() < count {
            let message = tokio::time::timeout(TEST_TIMEOUT, self.results.next())
                .await
                .expect("no value came")
                .unwrap();
            let told = QueueEvent::parse(&message).filter_map(|event| match event {
                Some(QueueEvent::Value(value)) => Some(value),
                _ => None,
            });
            values.extend(told);
        }
        values
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.server.url())
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

    /// Waits until it has received a job. That Redis has delivered one is too early: the answer may
    /// be under way.
    fn until_taken(&self) {
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
