//! Tests of worker processes on a real Redis: sharing, dying, returning, stopping.
//!
//! The tests play the server: they put jobs into the queue and listen to the results channel.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use api::{Computed, Index, State};
use queue::{Cache, Channel, Consumer, Event, Producer, Redis, Request, Subscription};
use redis::AsyncTypedCommands;
use stack::testing::Private;
use stack::{Port, Process, Service, http_get, wait_until};

/// Longest wait for anything that should happen soon.
const SOON: Duration = Duration::from_secs(30);
/// Takes so long to calculate, a quarter of a second, that a worker is met at work; and its digits.
const LONG: u32 = 100_000_000;
const LONG_DIGITS: usize = 20_898_764;
/// The largest that is calculated when nobody says otherwise.
const LARGEST: u32 = 10_000_000;

struct Stage {
    redis: Redis,
    producer: Producer,
    results: Subscription,
    server: Private<stack::Redis>,
}

/// A worker process.
struct Worker {
    service: Service,
    port: Port,
}

impl Stage {
    async fn start() -> Self {
        let server = stack::testing::redis().unwrap();
        let redis = Redis::open(&server.url()).unwrap();
        let results = Subscription::open(&redis, Channel::Results).await.unwrap();
        Self { producer: Producer::new(redis.clone(), 10_000), redis, results, server }
    }

    fn worker(&self) -> Worker {
        self.worker_with(&[])
    }

    fn worker_with(&self, variables: &[(&str, &str)]) -> Worker {
        let port = Port::free().unwrap();
        let number = port.number();
        let builder = Process::builder("worker", env!("CARGO_BIN_EXE_worker"))
            .env("LISTEN_ADDR", "127.0.0.1")
            .env("METRICS_PORT", number.to_string())
            .env("REDIS_URL", self.server.url());
        let builder = variables.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        let ready = move || is_ready(number);
        let worker = Worker { service: Service::new(builder, SOON, ready), port };
        worker.service.start().unwrap();
        worker
    }

    async fn submit(&self, numbers: impl IntoIterator<Item = u32>) {
        let requests: Vec<_> = numbers.into_iter().map(request).collect();
        let answers = self.producer.submit(&requests, false).await.unwrap();
        assert!(answers.iter().all(|answer| answer.state == State::Queued));
    }

    /// The next `count` values.
    async fn values(&mut self, count: usize) -> Vec<Computed> {
        let mut values = Vec::new();
        while values.len() < count {
            let message =
                tokio::time::timeout(SOON, self.results.next()).await.expect("no value came").unwrap();
            let told = Event::read(&message).filter_map(|event| match event {
                Some(Event::Value(value)) => Some(value),
                _ => None,
            });
            values.extend(told);
        }
        values
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// Waits until some worker has taken a job.
    async fn until_taken(&self) {
        let mut connection = self.connection().await;
        let deadline = Instant::now() + SOON;
        loop {
            let pending: Result<redis::streams::StreamPendingReply, _> =
                redis::cmd("XPENDING").arg(queue::JOBS).arg(queue::GROUP).query_async(&mut connection).await;
            if pending.is_ok_and(|pending| pending.count() > 0) {
                return;
            }
            assert!(Instant::now() < deadline, "no worker took the job");
        }
    }
}

impl Worker {
    fn get(&self, path: &str) -> String {
        http_get(&format!("http://127.0.0.1:{}{path}", self.port.number())).unwrap().body
    }
}

fn is_ready(port: u16) -> bool {
    http_get(&format!("http://{}:{port}/health/ready", Ipv4Addr::LOCALHOST))
        .is_ok_and(|answer| answer.status == 200)
}

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn request(number: u32) -> Request {
    Request {
        index: index(number),
        id: number.into(),
        request_id: format!("request-{number}"),
        received: 1,
        committed: 2,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_calculated_stored_and_announced() {
    let mut stage = Stage::start().await;
    let worker = stage.worker();
    stage.submit([10]).await;
    let value = stage.values(1).await.remove(0);
    assert_eq!((value.index, value.value.as_str(), value.digits), (index(10), "55", 2));
    assert_eq!(value.request_id, "request-10");
    assert_eq!(stage.connection().await.hget("values", "10").await.unwrap().as_deref(), Some("55"));
    // What the worker notes comes after what it announces.
    let is_told = |line: &str| line.contains("request-10") && line.contains("calculated");
    wait_until("the log tells of it", SOON, || worker.service.log().lines().any(is_told)).unwrap();
    let is_counted = || worker.get("/metrics").contains("jobs_total{outcome=\"done\"} 1");
    wait_until("it is counted", SOON, is_counted).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_counter_is_there_before_anything_has_happened() {
    let stage = Stage::start().await;
    let metrics = stage.worker().get("/metrics");
    for line in [
        "jobs_taken_total 0",
        "wrong_results_total 0",
        "jobs_total{outcome=\"done\"} 0",
        "jobs_total{outcome=\"not_stored\"} 0",
        "jobs_total{outcome=\"taken_over\"} 0",
        "jobs_total{outcome=\"given_up\"} 0",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_while_calculating_does_nothing_twice_when_it_goes_on() {
    let mut stage = Stage::start().await;
    let frozen = stage.worker();
    stage.submit([LONG]).await;
    stage.until_taken().await;
    frozen.service.freeze().unwrap();
    let other = stage.worker();
    let value = stage.values(1).await.remove(0);
    assert_eq!(value.digits, LONG_DIGITS);
    assert!(other.service.log().contains("a job was taken over from a silent worker"));

    frozen.service.thaw().unwrap();
    wait_until("the late result is handed in", SOON, || {
        frozen.service.log().lines().any(|line| line.contains("\"calculated\""))
    })
    .unwrap();
    // Whatever it announced would have come before this.
    stage.submit([10]).await;
    assert_eq!(stage.values(1).await[0].index, index(10));
    let stats = Cache::new(stage.redis.clone()).stats().await.unwrap();
    assert_eq!((stats.queue, stats.dead_letters, stats.workers), (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_work_and_do_each_job_once() {
    let mut stage = Stage::start().await;
    let _workers = [stage.worker(), stage.worker()];
    // Large ones: of small ones a lane takes dozens at once.
    let jobs = LARGEST - 40..LARGEST;
    stage.submit(jobs.clone()).await;
    let values = stage.values(40).await;
    let mut by_worker = BTreeMap::<_, usize>::new();
    for value in &values {
        *by_worker.entry(value.worker.clone()).or_default() += 1;
    }
    assert!(by_worker.len() == 2 && by_worker.values().all(|&jobs| jobs >= 5), "{by_worker:?}");
    let mut indices: Vec<_> = values.iter().map(|value| value.index).collect();
    indices.sort_unstable();
    assert_eq!(indices, jobs.map(index).collect::<Vec<_>>());
    assert_eq!(Cache::new(stage.redis.clone()).stats().await.unwrap().queue, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_is_killed_while_calculating_is_done_by_another() {
    let mut stage = Stage::start().await;
    let doomed = stage.worker();
    stage.submit([LONG]).await;
    stage.until_taken().await;
    doomed.service.kill().unwrap();
    let _survivor = stage.worker();
    let value = stage.values(1).await.remove(0);
    assert_eq!((value.index, value.digits), (index(LONG), LONG_DIGITS));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_taken_by_a_worker_that_died_before_it_began_are_done_by_another() {
    let mut stage = Stage::start().await;
    let dead = Consumer::new(stage.redis.clone(), "dead".to_owned());
    let mut connection = dead.connect(SOON).await.unwrap();
    dead.create_group(&mut connection).await.unwrap();
    stage.submit(1..=20).await;
    assert_eq!(dead.take(&mut connection, 20, SOON).await.unwrap().len(), 20);
    let _worker = stage.worker();
    assert_eq!(stage.values(20).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_when_the_consumer_group_or_the_whole_of_redis_is_lost() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    let mut connection = stage.connection().await;
    stage.submit([10]).await;
    stage.values(1).await;

    redis::cmd("XGROUP").arg("DESTROY").arg("jobs").arg("workers").exec_async(&mut connection).await.unwrap();
    stage.submit([20]).await;
    assert_eq!(stage.values(1).await[0].value, "6765");

    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    stage.submit([30]).await;
    assert_eq!(stage.values(1).await[0].value, "832040");

    stage.server.restart_empty().unwrap();
    stage.results = Subscription::open(&stage.redis, Channel::Results).await.unwrap();
    let deadline = Instant::now() + SOON;
    while stage.producer.submit(&[request(40)], false).await.is_err() {
        assert!(Instant::now() < deadline, "Redis did not come back");
    }
    assert_eq!(stage.values(1).await[0].value, "102334155");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_job_becomes_a_dead_letter_and_blocks_nobody() {
    let mut stage = Stage::start().await;
    let worker = stage.worker();
    let mut connection = stage.connection().await;
    let fields = [("index", "garbage"), ("version", "99")];
    connection.xadd("jobs", "*", &fields).await.unwrap();
    connection.xadd("jobs", "*", &[("nothing", "here")]).await.unwrap();
    connection.xadd("jobs", "*", &[("index", b"\xff\xfe")]).await.unwrap();
    connection.xadd("jobs", "*", &[("index", "x".repeat(5_000_000))]).await.unwrap();
    // Nothing but the index is needed, and what is not known is passed over.
    connection
        .xadd("jobs", "*", &[("version", "99"), ("index", "9"), ("request_id", &"x".repeat(5_000_000))])
        .await
        .unwrap();
    stage.submit([10]).await;
    let mut values = stage.values(2).await;
    values.sort_unstable_by_key(|value| value.index);
    assert_eq!((values[0].value.as_str(), values[0].request_id.as_str()), ("34", ""));
    assert_eq!(values[1].value, "55");
    let cache = Cache::new(stage.redis.clone());
    let deadline = Instant::now() + SOON;
    while cache.stats().await.unwrap().dead_letters < 4 {
        assert!(Instant::now() < deadline, "{}", worker.service.log());
    }
    assert_eq!(connection.xlen("jobs").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_servers_index_is_calculated() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    let mut connection = stage.connection().await;
    let huge = "9".repeat(5_000_000);
    for garbage in ["", "abc", "-1", "99999999999999999999", "{\"index\":7}", &huge, &"x".repeat(5_000_000)] {
        connection.publish("insert", garbage).await.unwrap();
    }
    connection.publish("insert", b"\xff\xfe\x00").await.unwrap();
    connection.hset("values", "7", "Nothing yet!").await.unwrap();
    connection.publish("insert", "7").await.unwrap();
    let value = stage.values(1).await.remove(0);
    assert_eq!((value.index, value.value.as_str()), (index(7), "13"));
    assert_eq!(connection.hget("values", "7").await.unwrap().as_deref(), Some("13"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_ends_well_and_gives_its_job_to_another() {
    let mut stage = Stage::start().await;
    let stopping = stage.worker();
    // Enough that no machine is done with it in the time that a worker has for stopping.
    stage.submit(LONG - 30..LONG).await;
    stage.until_taken().await;
    let told = Instant::now();
    let status = stopping.service.stop().unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    assert_eq!(status.code(), Some(0));
    let left = Cache::new(stage.redis.clone()).stats().await.unwrap();
    assert!(left.queue > 0 && left.workers == 0, "{left:?}");
    let _next = stage.worker();
    stage.values(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_at_once() {
    let stage = Stage::start().await;
    let worker = stage.worker();
    let told = Instant::now();
    assert_eq!(worker.service.stop().unwrap().unwrap().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_redis_and_says_that_it_is_not_ready_meanwhile() {
    let stage = Stage::start().await;
    stage.server.kill().unwrap();
    let port = Port::free().unwrap();
    let number = port.number();
    let builder = Process::builder("worker", env!("CARGO_BIN_EXE_worker"))
        .env("LISTEN_ADDR", "127.0.0.1")
        .env("METRICS_PORT", number.to_string())
        .env("REDIS_URL", stage.server.url());
    let _worker = builder.spawn().unwrap();
    let get = |path| http_get(&format!("http://127.0.0.1:{number}{path}")).map(|answer| answer.status).ok();
    wait_until("the worker lives", SOON, || get("/health/live") == Some(200)).unwrap();
    assert_eq!(get("/health/ready"), Some(503));
    let healthcheck = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg("healthcheck").env("METRICS_PORT", number.to_string());
        command.output().unwrap().status.code()
    };
    assert_eq!(healthcheck(), Some(1));
    stage.server.start().unwrap();
    wait_until("the worker is ready", SOON, || get("/health/ready") == Some(200)).unwrap();
    assert_eq!(healthcheck(), Some(0));
}

#[test]
fn a_wrong_configuration_is_one_line_and_exit_code_2() {
    for (variable, value) in [
        ("REDIS_PORT", "many"),
        ("REDIS_URL", "http://localhost"),
        ("WORKER_LANES", "0"),
        ("MAX_INDEX", "99999999999"),
        ("LOG_FORMAT", "xml"),
        ("METRICS_PORT", "-1"),
    ] {
        let builder = Process::builder("worker", env!("CARGO_BIN_EXE_worker")).env("METRICS_PORT", "0");
        let mut worker = builder.env(variable, value).spawn().unwrap();
        let status = worker.wait(SOON).unwrap().unwrap_or_else(|| panic!("{variable}={value} was accepted"));
        let error = worker.log();
        assert_eq!(status.code(), Some(2), "{variable}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(variable), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_while_redis_is_away() {
    let stage = Stage::start().await;
    let worker = stage.worker();
    stage.submit([LONG]).await;
    stage.until_taken().await;
    stage.server.kill().unwrap();
    wait_until("the result has nowhere to go", SOON, || {
        worker.service.log().contains("results cannot be stored yet")
    })
    .unwrap();
    // Empty: the job is gone, and nobody here queues it again.
    stage.server.start().unwrap();
    let cache = Cache::new(stage.redis.clone());
    let deadline = Instant::now() + SOON;
    let digits = loop {
        match cache.whole(index(LONG)).await {
            Ok(queue::Shown::Whole(digits)) => break digits,
            _ => assert!(Instant::now() < deadline, "the result was not kept"),
        }
    };
    assert_eq!(digits.len(), LONG_DIGITS);
}

/// The memory of the worker's container, in kB.
const LIMIT: u64 = 128 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn with_what_it_takes_over_a_worker_calculates_no_more_at_once_than_it_has_lanes() {
    let mut stage = Stage::start().await;
    // As many lanes as its container has.
    let lanes = 2;
    stage.submit([LARGEST]).await;
    let gone = Consumer::new(stage.redis.clone(), "gone".to_owned());
    let mut connection = gone.connect(SOON).await.unwrap();
    gone.create_group(&mut connection).await.unwrap();
    let abandoned = gone.take(&mut connection, 1, SOON).await.unwrap().remove(0);
    // Given back, so that it may be taken over at once.
    gone.leave(&[abandoned.entry]).await.unwrap();
    stage.submit(LARGEST - 5..LARGEST).await;

    let worker = stage.worker_with(&[("WORKER_LANES", &lanes.to_string())]);
    let values = stage.values(6).await;
    assert!(worker.get("/metrics").contains(r#"jobs_total{outcome="taken_over"} 1"#));
    let busy_at = |time: u64| {
        values.iter().filter(|value| (value.hops.taken..value.hops.computed).contains(&time)).count()
    };
    let most = values.iter().map(|value| busy_at(value.hops.taken)).max().unwrap();
    assert_eq!(
        most,
        lanes,
        "calculations at once: {:?}",
        values.iter().map(|value| value.hops).collect::<Vec<_>>()
    );
    let peak = stack::memory(worker.service.pid().unwrap(), "VmHWM").unwrap();
    println!("six of the largest values by {lanes} lanes: {peak} kB at most");
    assert!(peak < LIMIT, "{peak} kB");
}
