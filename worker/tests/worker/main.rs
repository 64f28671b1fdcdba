//! Tests of worker processes. Each test has a Redis of its own and acts as the api: it queues jobs,
//! and subscribes to the channel `results`.

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
use stack::{AppService, Builder, Port, Process, eventually, http_get, isolated, wait_until};

/// An index whose calculation takes a quarter of a second, so that a test can act meanwhile.
const SLOW_INDEX: u32 = 100_000_000;
/// The digit count of the value of [`SLOW_INDEX`].
const SLOW_DIGITS: usize = 20_898_764;
/// The default MAX_INDEX.
const MAX_INDEX: u32 = 10_000_000;

/// A Redis with the queue, and what the api uses of the queue.
struct ApiQueue {
    redis: Private<stack::Redis>,
    client: RedisClient,
    producer: Producer,
    results: Subscription,
}

struct WorkerProcess {
    service: AppService,
}

/// The command of a worker without an address of Redis.
fn worker_command(metrics_port: u16) -> Builder {
    isolated(Process::builder("worker", env!("CARGO_BIN_EXE_worker")), metrics_port)
}

impl ApiQueue {
    async fn start() -> Self {
        let redis = stack::testing::redis().unwrap();
        let client = RedisClient::open(&redis.url()).unwrap();
        let results = Subscription::open(&client, Channel::Results).await.unwrap();
        Self { producer: Producer::new(client.clone(), 10_000), redis, client, results }
    }

    /// The command of a worker with this queue.
    fn worker_command(&self, metrics_port: u16) -> Builder {
        worker_command(metrics_port).env("REDIS_URL", self.redis.url())
    }

    fn start_worker(&self) -> WorkerProcess {
        self.start_worker_with(&[])
    }

    /// Starts a worker with these environment variables, and waits until it is ready.
    fn start_worker_with(&self, variables: &[(&str, &str)]) -> WorkerProcess {
        let port = Port::free().unwrap();
        let command = self.worker_command(port.number()).envs(variables.iter().copied());
        let worker = WorkerProcess { service: AppService::new(command, port.clone(), port) };
        worker.service.launch().unwrap();
        worker.service.wait_ready().unwrap();
        worker
    }

    async fn submit(&self, numbers: impl IntoIterator<Item = u32>) {
        let mut submissions: Vec<_> = numbers.into_iter().map(submission).collect();
        self.producer
            .submit(submissions.iter_mut().map(|submission| (submission, "")))
            .await
            .unwrap();
        assert!(submissions.iter().all(|submission| submission.state == SubmissionState::Queued));
    }

    /// Waits for at least `count` values on the channel `results`, and returns all that it
    /// received.
    async fn next_values(&mut self, count: usize) -> Vec<ValueEvent> {
        let mut values = Vec::new();
        while values.len() < count {
            let message = tokio::time::timeout(TEST_TIMEOUT, self.results.next())
                .await
                .expect("a value should be published in time")
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

    /// Waits until the worker has taken a job. It asks the worker, because Redis counts a job as
    /// delivered before the worker has read the reply.
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
