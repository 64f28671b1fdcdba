//! Starting, stopping, a wrong configuration, and what a worker says of itself. What becomes of
//! jobs when it is killed is in `jobs`.

use super::*;

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
async fn the_job_of_a_stopped_worker_is_reclaimed() {
    let mut stage = Stage::start().await;
    let stopping = stage.worker();
    // Enough that no machine is done with it in the time that a worker has for stopping.
    stage.submit(LONG - 30..LONG).await;
    stopping.until_taken();
    let told = Instant::now();
    let status = stopping.service.stop().unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    assert_eq!(status.code(), Some(0));
    let left = QueueMonitor::new(stage.redis.clone()).stats().await.unwrap();
    assert!(left.queue_length.jobs() > 0 && left.live_workers == 0, "{left:?}");
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
async fn readiness_and_healthcheck_say_whether_redis_is_there() {
    let stage = Stage::start().await;
    stage.server.kill().unwrap();
    let port = Port::free().unwrap();
    let number = port.number();
    let _worker = stage.builder(number).spawn().unwrap();
    let get = |path| {
        http_get(&format!("http://127.0.0.1:{number}{path}")).map(|answer| answer.status).ok()
    };
    wait_until("the worker lives", TEST_TIMEOUT, || get("/health/live") == Some(200)).unwrap();
    assert_eq!(get("/health/ready"), Some(503));
    let healthcheck = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg("healthcheck").env_clear().env("METRICS_PORT", number.to_string());
        command.output().unwrap().status.code()
    };
    assert_eq!(healthcheck(), Some(1));
    stage.server.start().unwrap();
    wait_until("the worker is ready", TEST_TIMEOUT, || get("/health/ready") == Some(200)).unwrap();
    assert_eq!(healthcheck(), Some(0));
}

#[test]
fn a_wrong_configuration_is_one_line_and_exit_code_2() {
    let wrong = "REDIS_PORT=many REDIS_URL=http://localhost WORKER_THREADS=0 MAX_INDEX=99999999999 LOG_FORMAT=xml \
        METRICS_PORT=-1";
    for (variable, value) in wrong.split(' ').filter_map(|wrong| wrong.split_once('=')) {
        let mut worker = command(0).env(variable, value).spawn().unwrap();
        let status = worker
            .wait(TEST_TIMEOUT)
            .unwrap()
            .unwrap_or_else(|| panic!("{variable}={value} was accepted"));
        let error = worker.log();
        assert_eq!(status.code(), Some(2), "{variable}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(variable), "{error}");
    }
}
