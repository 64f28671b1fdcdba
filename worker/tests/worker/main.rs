//! Tests of worker processes on a real Redis.
//!
//! The tests play the server: they put jobs into the queue and listen to the results channel. Each has a Redis of its own.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod jobs;
mod memory;
mod process;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use contract::{Index, SubmissionState, ValueEvent};
use queue::{
    CachedValue, Channel, Consumer, EnqueueRequest, Producer, QueueEvent, QueueMonitor, RedisClient,
    Subscription, ValueCache,
};
use redis::AsyncTypedCommands;
use stack::testing::Private;
use stack::{Builder, Port, Process, Service, eventually, http_get, wait_until};

/// Longest wait for anything that should happen soon.
const SOON: Duration = Duration::from_secs(30);
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
    service: Service,
    port: Port,
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
        Process::builder("worker", env!("CARGO_BIN_EXE_worker"))
            .env_clear()
            .env("LISTEN_ADDR", "127.0.0.1")
            .env("METRICS_PORT", port.to_string())
            .env("REDIS_URL", self.server.url())
    }

    fn worker(&self) -> WorkerProcess {
        self.worker_with(&[])
    }

    fn worker_with(&self, variables: &[(&str, &str)]) -> WorkerProcess {
        let port = Port::free().unwrap();
        let number = port.number();
        let builder =
            variables.iter().fold(self.builder(number), |builder, (name, value)| builder.env(name, value));
        let ready = move || is_ready(number);
        let worker = WorkerProcess { service: Service::new(builder, SOON, ready), port };
        worker.service.start().unwrap();
        worker
    }

    async fn submit(&self, numbers: impl IntoIterator<Item = u32>) {
        let requests: Vec<_> = numbers.into_iter().map(request).collect();
        let answers = self.producer.submit(&requests, false).await.unwrap();
        assert!(answers.iter().all(|answer| answer.state == SubmissionState::Queued));
    }

    /// The next `count` values.
    async fn values(&mut self, count: usize) -> Vec<ValueEvent> {
        let mut values = Vec::new();
        while values.len() < count {
            let message =
                tokio::time::timeout(SOON, self.results.next()).await.expect("no value came").unwrap();
            let told = QueueEvent::parse(&message).filter_map(|event| match event {
                Some(QueueEvent::Value(value)) => Some(value),
                _ => None,
            });
            values.extend(told);
        }
        values
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}

impl WorkerProcess {
    fn get(&self, path: &str) -> String {
        http_get(&format!("http://127.0.0.1:{}{path}", self.port.number())).unwrap().body
    }

    /// Waits until it has a job in its hands. That Redis has handed one out is too early: the answer may be under way.
    fn until_taken(&self) {
        let has_taken = |metrics: &str| {
            metrics.lines().any(|line| line.starts_with("jobs_taken_total ") && line != "jobs_taken_total 0")
        };
        wait_until("the worker has taken a job", SOON, || has_taken(&self.get("/metrics"))).unwrap();
    }
}

fn is_ready(port: u16) -> bool {
    http_get(&format!("http://{}:{port}/health/ready", Ipv4Addr::LOCALHOST))
        .is_ok_and(|answer| answer.status == 200)
}

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn request(number: u32) -> EnqueueRequest {
    EnqueueRequest {
        index: index(number),
        submission_id: number.into(),
        request_id: format!("request-{number}"),
        received: 1,
        committed: 2,
    }
}
