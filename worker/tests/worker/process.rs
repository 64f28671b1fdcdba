//! Start and shutdown of a worker, configuration errors, health and metrics. The module `jobs`
//! tests what happens to the jobs of a killed worker.

use stack::testing::run_until_exit;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn counters_exist_before_the_first_job() {
    let queue = ApiQueue::start().await;
    let metrics = queue.start_worker().get("/metrics");
    for line in [
        "jobs_taken_total 0",
        "corrected_results_total 0",
        "wrong_results_total 0",
        "jobs_total{outcome=\"done\"} 0",
        "jobs_total{outcome=\"not_stored\"} 0",
        "jobs_total{outcome=\"reclaimed\"} 0",
        "jobs_total{outcome=\"dead_lettered\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_stopped_worker_are_reclaimed() {
    let mut queue = ApiQueue::start().await;
    let worker = queue.start_worker();
    // More jobs than a worker completes before its shutdown ends.
    queue.submit(SLOW_INDEX - 30..SLOW_INDEX).await;
    worker.wait_until_taken();
    let signalled = Instant::now();
    let status = worker.service.stop().unwrap().unwrap();
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    assert_eq!(status.code(), Some(0));
    let stats = QueueMonitor::new(queue.client.clone()).stats().await.unwrap();
    assert!(stats.queue_length.jobs() > 0 && stats.live_workers == 0, "{stats:?}");
    let _other_worker = queue.start_worker();
    queue.next_values(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_within_two_seconds() {
    let queue = ApiQueue::start().await;
    let worker = queue.start_worker();
    let signalled = Instant::now();
    assert_eq!(worker.service.stop().unwrap().unwrap().code(), Some(0));
    assert!(signalled.elapsed() < Duration::from_secs(2), "{:?}", signalled.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_and_healthcheck_fail_without_redis() {
    let queue = ApiQueue::start().await;
    queue.redis.kill().unwrap();
    let port = Port::free().unwrap();
    let number = port.number();
    let _worker = queue.worker_command(number).spawn().unwrap();
    let get = |path| {
        http_get(&format!("http://127.0.0.1:{number}{path}")).map(|response| response.status).ok()
    };
    wait_until("the worker is live", TEST_TIMEOUT, || get("/health/live") == Some(200)).unwrap();
    assert_eq!(get("/health/ready"), Some(503));
    let healthcheck = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg("healthcheck").env_clear().env("METRICS_PORT", number.to_string());
        command.output().unwrap().status.code()
    };
    assert_eq!(healthcheck(), Some(1));
    queue.redis.start().unwrap();
    wait_until("the worker is ready", TEST_TIMEOUT, || get("/health/ready") == Some(200)).unwrap();
    assert_eq!(healthcheck(), Some(0));
}

#[test]
fn a_configuration_error_prints_one_line_and_exits_with_code_2() {
    for (variable, value) in [
        ("REDIS_PORT", "many"),
        ("REDIS_URL", "http://localhost"),
        ("WORKER_THREADS", "0"),
        ("MAX_INDEX", "99999999999"),
        ("LOG_FORMAT", "xml"),
        ("METRICS_PORT", "-1"),
    ] {
        let (code, log) = run_until_exit(&worker_command(0).env(variable, value))
            .unwrap_or_else(|error| panic!("{variable}={value}: {error}"));
        assert_eq!(code, Some(2), "{variable}: {log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(variable), "{log}");
    }
}
