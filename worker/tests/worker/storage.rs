//! Workers whose Redis refuses writes, fails over or is not supported.

use stack::testing::{RECOVERY_TIMEOUT, run_until_exit};
use stack::{Proxy, RedisOptions};

use super::*;

impl ApiQueue {
    /// Sets Redis's memory limit in bytes. With "1" it refuses writes, with "0" it has no limit.
    async fn set_max_memory(&self, bytes: &str) {
        let mut connection = self.connection().await;
        let command = ["CONFIG", "SET", "maxmemory", bytes];
        redis::Cmd::new().arg(&command).exec_async(&mut connection).await.unwrap();
    }

    /// The number that follows `field` in a section of Redis's INFO.
    async fn info(&self, section: &str, field: &str) -> u64 {
        let mut info = redis::cmd("INFO");
        let info: String =
            info.arg(section).query_async(&mut self.connection().await).await.unwrap();
        let (_, number) = info.split_once(field).unwrap();
        number.split([',', '\r']).next().unwrap().parse().unwrap()
    }

    /// The number of commands that Redis has refused for lack of memory.
    async fn refused_writes(&self) -> u64 {
        self.info("errorstats", "errorstat_OOM:count=").await
    }
}

impl WorkerProcess {
    /// The number of jobs with this outcome so far.
    fn count(&self, outcome: &str) -> u64 {
        self.metric(&format!("jobs_total{{outcome=\"{outcome}\"}}"))
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics");
        let line = format!("{name} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)).unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_result_redis_refuses_does_not_become_a_dead_letter() {
    let mut queue = ApiQueue::start().await;
    let worker = queue.start_worker();
    queue.submit([SLOW_INDEX]).await;
    worker.wait_until_taken();
    for refusals in 1..=Consumer::MAX_DELIVERIES as u64 + 1 {
        queue.set_max_memory("1").await;
        let is_refused = || worker.count("not_stored") == refusals;
        wait_until("the result is refused", TEST_TIMEOUT, is_refused).unwrap();
        queue.set_max_memory("0").await;
        let is_reclaimed = || worker.count("reclaimed") == refusals;
        wait_until("the job is reclaimed", TEST_TIMEOUT, is_reclaimed).unwrap();
    }
    assert_eq!(queue.next_values(1).await[0].digits, SLOW_DIGITS);
    assert_eq!(QueueMonitor::new(queue.client.clone()).stats().await.unwrap().dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_redis_refuses_does_not_keep_a_thread_from_other_jobs() {
    let mut queue = ApiQueue::start().await;
    let worker = queue.start_worker_with(&[("WORKER_THREADS", "1")]);
    // Enough for everything but the 10 MB of the value of SLOW_INDEX.
    let limit = queue.info("memory", "used_memory:").await + 8_000_000;
    queue.set_max_memory(&limit.to_string()).await;
    queue.submit([SLOW_INDEX]).await;
    let is_refused = || worker.count("not_stored") >= 1;
    wait_until("the result is refused", TEST_TIMEOUT, is_refused).unwrap();
    // While Redis receives those 10 MB again, it refuses all other writes too.
    let submit = async || queue.producer.submit([(&mut submission(10), "")]).await.ok();
    eventually("Redis accepts a small submission", TEST_TIMEOUT, submit).await;
    let values = tokio::time::timeout(RECOVERY_TIMEOUT, queue.next_values(1)).await.unwrap();
    assert_eq!(values[0].value, "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_no_job_while_redis_refuses_writes() {
    let mut queue = ApiQueue::start().await;
    let worker = queue.start_worker();
    queue.set_max_memory("1").await;
    worker.service.wait_for_log("redis does not accept writes", TEST_TIMEOUT).unwrap();
    let is_idle = async || (queue.info("clients", "blocked_clients:").await == 0).then_some(());
    eventually("the worker does not wait for a job", TEST_TIMEOUT, is_idle).await;
    // While it is frozen, it cannot notice that Redis accepts writes for a moment.
    worker.service.freeze().unwrap();
    queue.set_max_memory("0").await;
    queue.submit([10]).await;
    queue.set_max_memory("1").await;
    let refusals = queue.refused_writes().await;
    worker.service.thaw().unwrap();
    let is_refused = async || (queue.refused_writes().await >= refusals + 2).then_some(());
    eventually("Redis refuses two more writes of the worker", TEST_TIMEOUT, is_refused).await;
    assert_eq!(worker.metric("jobs_taken_total"), 0);
    queue.set_max_memory("0").await;
    assert_eq!(queue.next_values(1).await[0].value, "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_continues_with_the_new_primary_after_a_failover() {
    let mut queue = ApiQueue::start().await;
    let replica = stack::testing::redis().unwrap();
    let proxy = Proxy::to(queue.redis.port()).unwrap();
    let _worker =
        queue.start_worker_with(&[("REDIS_URL", &format!("redis://127.0.0.1:{}", proxy.port()))]);
    queue.submit([10]).await;
    queue.next_values(1).await;

    replica.replicate(queue.redis.port()).unwrap();
    replica.promote().unwrap();
    queue.redis.replicate(replica.port()).unwrap();
    proxy.redirect(replica.port());
    queue.client = RedisClient::open(&replica.url()).unwrap();
    queue.producer = Producer::new(queue.client.clone(), 10_000);
    queue.results = Subscription::open(&queue.client, Channel::Results).await.unwrap();
    queue.submit([20]).await;
    let values = tokio::time::timeout(RECOVERY_TIMEOUT, queue.next_values(1)).await.unwrap();
    assert_eq!(values[0].value, "6765");
}

#[test]
fn a_redis_in_cluster_mode_is_a_wrong_configuration() {
    let redis = stack::testing::redis_in_cluster_mode().unwrap();
    let worker = worker_command(0).env("REDIS_URL", redis.url());
    let (code, log) = run_until_exit(&worker).unwrap();
    assert_eq!(code, Some(2), "{log}");
    let errors: Vec<_> = log.lines().filter(|line| line.starts_with("configuration: ")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(errors[0].contains("cluster mode"), "{log}");
}

#[test]
fn a_max_index_too_large_for_redis_is_a_wrong_configuration() {
    let arguments = ["--maxmemory", "2mb"].map(str::to_owned).into();
    let redis =
        stack::testing::redis_with(RedisOptions { arguments, ..RedisOptions::default() }).unwrap();
    let worker = worker_command(0).env("REDIS_URL", redis.url());
    let (code, log) = run_until_exit(&worker).unwrap();
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("configuration: MAX_INDEX is 10000000"), "{log}");
}
