//! A Redis that refuses what a worker stores: no job is blamed for it.

use stack::{Proxy, RedisOptions};

use super::*;

/// From the moment that the address leads to the new primary.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);

impl Stage {
    async fn set_memory(&self, bytes: &str) {
        let mut connection = self.connection().await;
        let command = ["CONFIG", "SET", "maxmemory", bytes];
        redis::Cmd::new().arg(&command).exec_async(&mut connection).await.unwrap();
    }

    /// The number after `field` in a section of Redis's INFO.
    async fn info(&self, section: &str, field: &str) -> u64 {
        let mut info = redis::cmd("INFO");
        let info: String =
            info.arg(section).query_async(&mut self.connection().await).await.unwrap();
        let (_, number) = info.split_once(field).unwrap();
        number.split([',', '\r']).next().unwrap().parse().unwrap()
    }

    /// How many writes Redis has refused. While a worker takes no jobs, these are its health
    /// checks.
    async fn refused_writes(&self) -> u64 {
        self.info("errorstats", "errorstat_OOM:count=").await
    }
}

impl WorkerProcess {
    /// The number of jobs with that outcome so far.
    fn count(&self, outcome: &str) -> u64 {
        self.metric(&format!("jobs_total{{outcome=\"{outcome}\"}}"))
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics");
        let line = format!("{name} ");
        metrics.lines().find_map(|shown| shown.strip_prefix(&line)).unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_result_is_refused_again_and_again_is_no_dead_letter() {
    let mut stage = Stage::start().await;
    let worker = stage.worker();
    stage.submit([LONG]).await;
    worker.until_taken();
    for refused in 1..=Consumer::MAX_DELIVERIES as u64 + 1 {
        stage.set_memory("1").await;
        let is_refused = || worker.count("not_stored") == refused;
        wait_until("the result is refused", TEST_TIMEOUT, is_refused).unwrap();
        stage.set_memory("0").await;
        let is_reclaimed = || worker.count("taken_over") == refused;
        wait_until("the job is reclaimed", TEST_TIMEOUT, is_reclaimed).unwrap();
    }
    assert_eq!(stage.values(1).await[0].digits, LONG_DIGITS);
    assert_eq!(QueueMonitor::new(stage.redis.clone()).stats().await.unwrap().dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_no_job_while_redis_refuses_writes() {
    let mut stage = Stage::start().await;
    let worker = stage.worker();
    stage.set_memory("1").await;
    worker.service.wait_for_log("redis does not accept writes", TEST_TIMEOUT).unwrap();
    let idle = async || (stage.info("clients", "blocked_clients:").await == 0).then_some(());
    eventually("it waits for no job", TEST_TIMEOUT, idle).await;
    // It sees nothing of the moment in which Redis accepts the job.
    worker.service.freeze().unwrap();
    stage.set_memory("0").await;
    stage.submit([10]).await;
    stage.set_memory("1").await;
    let refused = stage.refused_writes().await;
    worker.service.thaw().unwrap();
    let again = async || (stage.refused_writes().await >= refused + 2).then_some(());
    eventually("two more health checks are refused", TEST_TIMEOUT, again).await;
    assert_eq!(worker.metric("jobs_taken_total"), 0);
    stage.set_memory("0").await;
    assert_eq!(stage.values(1).await[0].value, "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_follows_a_failover() {
    let mut stage = Stage::start().await;
    let replica = stack::testing::redis().unwrap();
    let proxy = Proxy::to(stage.server.port()).unwrap();
    let _worker =
        stage.worker_with(&[("REDIS_URL", &format!("redis://127.0.0.1:{}", proxy.port()))]);
    stage.submit([10]).await;
    stage.values(1).await;

    replica.replicate(stage.server.port()).unwrap();
    replica.promote().unwrap();
    stage.server.replicate(replica.port()).unwrap();
    proxy.redirect(replica.port());
    stage.redis = RedisClient::open(&replica.url()).unwrap();
    stage.producer = Producer::new(stage.redis.clone(), 10_000);
    stage.results = Subscription::open(&stage.redis, Channel::Results).await.unwrap();
    stage.submit([20]).await;
    let values = tokio::time::timeout(RECOVERY_TIMEOUT, stage.values(1)).await.unwrap();
    assert_eq!(values[0].value, "6765");
}

/// The exit code and the log of a worker whose Redis is not supported.
fn run_until_exit(redis: &stack::Redis) -> (Option<i32>, String) {
    let mut worker = command(0).env("REDIS_URL", redis.url()).spawn().unwrap();
    let status = worker.wait(TEST_TIMEOUT).unwrap().unwrap();
    (status.code(), worker.log())
}

#[test]
fn a_redis_in_cluster_mode_is_a_wrong_configuration() {
    let (code, log) = run_until_exit(&stack::testing::redis_in_cluster_mode().unwrap());
    assert_eq!(code, Some(2), "{log}");
    let complaints: Vec<_> =
        log.lines().filter(|line| line.starts_with("configuration: ")).collect();
    assert_eq!(complaints.len(), 1, "{log}");
    assert!(complaints[0].contains("cluster mode"), "{log}");
}

#[test]
fn a_redis_too_small_for_the_largest_value_is_a_wrong_configuration() {
    let arguments = ["--maxmemory", "2mb"].map(str::to_owned).into();
    let redis =
        stack::testing::redis_with(RedisOptions { arguments, ..RedisOptions::default() }).unwrap();
    let (code, log) = run_until_exit(&redis);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("configuration: MAX_INDEX is 10000000"), "{log}");
}
