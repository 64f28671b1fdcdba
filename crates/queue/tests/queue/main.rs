//! Tests of the queue, each with its own Redis. Workers are library calls here and calculate
//! nothing. The tests of worker processes are in `worker`.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod classes;
mod completion;
mod connection;
mod dead_letters;
mod delivery;
mod enqueue;
mod failover;
mod outage;
mod repair;

use std::time::{Duration, Instant};

use contract::{Hops, Index, SubmissionState, SubmitResponse, ValueEvent};
use futures_util::FutureExt;
use queue::{
    CachedValue, Channel, CompletedJob, Connection, Consumer, DeadLetters, Job, JobClass, Producer,
    QueueError, QueueEvent, QueueMonitor, ReclaimOutcome, RedisClient, Repair, Subscription,
    UnsupportedRedis, ValueCache, now_micros,
};
use stack::eventually;
use stack::testing::{Private, TEST_TIMEOUT};

/// Long enough to take a job that is in the queue.
const TAKE_TIMEOUT: Duration = Duration::from_millis(100);
/// Minimum idle time with which every delivered job is reclaimed.
const ANY_IDLE_TIME: Duration = Duration::ZERO;

struct TestQueue {
    redis: RedisClient,
    producer: Producer,
    cache: ValueCache,
    monitor: QueueMonitor,
    server: Private<stack::Redis>,
}

struct TestWorker {
    consumer: Consumer,
}

impl TestQueue {
    async fn start() -> Self {
        Self::with_capacity(100).await
    }

    async fn with_capacity(capacity: usize) -> Self {
        let server = stack::testing::redis().unwrap();
        let redis = RedisClient::open(&server.url()).unwrap();
        let queue = Self {
            producer: Producer::new(redis.clone(), capacity),
            cache: ValueCache::new(redis.clone()),
            monitor: QueueMonitor::new(redis.clone()),
            redis,
            server,
        };
        queue.worker("first").create_groups().await;
        queue
    }

    fn worker(&self, name: &str) -> TestWorker {
        TestWorker { consumer: Consumer::new(self.redis.clone(), name.to_owned()) }
    }

    async fn submit(&self, number: u64) -> SubmissionState {
        let (state, _) = self.submit_all([submission(number)]).await.remove(0);
        state
    }

    /// Returns the state and the value of each submission.
    async fn submit_all(
        &self,
        submissions: impl IntoIterator<Item = SubmitResponse>,
    ) -> Vec<(SubmissionState, Option<String>)> {
        let mut submissions: Vec<_> = submissions.into_iter().collect();
        self.producer
            .submit(submissions.iter_mut().map(|submission| (submission, "")))
            .await
            .unwrap();
        submissions.into_iter().map(|submission| (submission.state, submission.value)).collect()
    }

    /// Submits an index and lets the worker `name` take its job.
    async fn deliver(&self, number: u64, name: &str) -> (TestWorker, Job) {
        self.submit(number).await;
        let worker = self.worker(name);
        let job = worker.take(1).await.remove(0);
        (worker, job)
    }

    /// Submits an index and lets a worker take and complete its job.
    async fn calculate(&self, number: u64, digits: &str) {
        let (worker, job) = self.deliver(number, "worker").await;
        worker.complete(job, digits).await;
    }

    async fn queue_length(&self) -> u64 {
        self.monitor.stats().await.unwrap().queue_length.jobs()
    }

    async fn subscribe(&self) -> Subscription {
        Subscription::open(&self.redis, Channel::Results).await.unwrap()
    }

    /// Sends any command, like a foreign program.
    async fn command<T: redis::FromRedisValue>(
        &self,
        command: &[impl redis::ToRedisArgs + Sync],
    ) -> T {
        let mut connection = self.connect().await;
        redis::Cmd::new().arg(command).query_async(&mut connection).await.unwrap()
    }

    async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.server.url()).unwrap();
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TEST_TIMEOUT))
            .set_response_timeout(Some(TEST_TIMEOUT));
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }
}

impl TestWorker {
    async fn connect(&self) -> Connection {
        self.consumer.connect(TEST_TIMEOUT).await.unwrap()
    }

    async fn create_groups(&self) {
        let mut connection = self.connect().await;
        self.consumer.create_groups(&mut connection).await.unwrap();
    }

    async fn take(&self, count: usize) -> Vec<Job> {
        let mut connection = self.connect().await;
        self.try_take(&mut connection, count).await.unwrap()
    }

    async fn try_take(
        &self,
        connection: &mut Connection,
        count: usize,
    ) -> Result<Vec<Job>, QueueError> {
        self.consumer
            .take(connection, JobClass::ALL.map(|class| (class, count)), TAKE_TIMEOUT)
            .await
    }

    async fn try_reclaim(&self, min_idle: Duration) -> Result<ReclaimOutcome, QueueError> {
        let mut connection = self.connect().await;
        self.consumer.reclaim(&mut connection, min_idle).await
    }

    async fn reclaim(&self, min_idle: Duration) -> ReclaimOutcome {
        self.try_reclaim(min_idle).await.unwrap()
    }

    async fn try_complete(&self, completed: &[CompletedJob]) -> Result<(), QueueError> {
        let mut connection = self.connect().await;
        self.consumer.complete(&mut connection, completed).await
    }

    async fn complete(&self, job: Job, digits: &str) {
        self.try_complete(&[completed(job, digits)]).await.unwrap();
    }

    async fn heartbeat(&self, job: &Job) {
        self.consumer.heartbeat(std::slice::from_ref(&job.id)).await.unwrap();
    }

    async fn deregister(&self, job: &Job) {
        self.consumer.deregister(std::slice::from_ref(&job.id)).await.unwrap();
    }
}

fn index(number: u64) -> Index {
    Index::from_number(number, Index::LARGEST).unwrap()
}

fn submission(number: u64) -> SubmitResponse {
    let hops = Hops { received: 1, committed: 2, ..Hops::default() };
    let submission = SubmitResponse::new(index(number), format!("request-{number}"), hops);
    SubmitResponse { id: i64::try_from(number).unwrap(), ..submission }
}

fn completed(job: Job, digits: &str) -> CompletedJob {
    CompletedJob {
        index: job.index.unwrap(),
        job,
        digits: digits.to_owned(),
        computed: now_micros(),
    }
}

fn indices(jobs: &[Job]) -> Vec<Option<u32>> {
    jobs.iter().map(|job| job.index.map(Index::get)).collect()
}

async fn next_events(subscription: &mut Subscription) -> Vec<QueueEvent> {
    let message = tokio::time::timeout(TEST_TIMEOUT, subscription.next()).await.unwrap().unwrap();
    QueueEvent::parse(&message).map(Option::unwrap).collect()
}

async fn next_value(subscription: &mut Subscription) -> ValueEvent {
    loop {
        if let Some(QueueEvent::Value(value)) = next_events(subscription).await.pop() {
            return value;
        }
    }
}
