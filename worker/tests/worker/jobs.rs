//! Every job is done, once: shared between workers, reclaimed from dead ones, kept while Redis is
//! unavailable. Many faults at once, with everything else running, are in `e2e`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_calculated_stored_and_announced() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    stage.submit([10]).await;
    let value = stage.values(1).await.remove(0);
    assert_eq!((value.index, value.value.as_str(), value.digits), (index(10), "55", 2));
    assert_eq!(value.request_id, "request-10");
    assert_eq!(stage.connection().await.hget("values", "10").await.unwrap().as_deref(), Some("55"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_logged_and_counted() {
    let stage = Stage::start().await;
    let worker = stage.worker();
    stage.submit([10]).await;
    let is_told = |line: &str| line.contains("request-10") && line.contains("calculated");
    wait_until("it is logged", TEST_TIMEOUT, || worker.service.log().lines().any(is_told)).unwrap();
    let is_counted = || worker.get("/metrics").contains("jobs_total{outcome=\"done\"} 1");
    wait_until("it is counted", TEST_TIMEOUT, is_counted).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_during_a_calculation_does_not_finish_its_job_twice() {
    let mut stage = Stage::start().await;
    let frozen = stage.worker();
    stage.submit([LONG]).await;
    frozen.until_taken();
    frozen.service.freeze().unwrap();
    let other = stage.worker();
    let value = stage.values(1).await.remove(0);
    assert_eq!(value.digits, LONG_DIGITS);
    let reclaimed = "job reclaimed: its worker sent no heartbeat or released it";
    other.service.wait_for_log(reclaimed, TEST_TIMEOUT).unwrap();

    frozen.service.thaw().unwrap();
    frozen.service.wait_for_log("\"calculated\"", TEST_TIMEOUT).unwrap();
    // Whatever it announced would have come before this.
    stage.submit([10]).await;
    assert_eq!(stage.values(1).await[0].index, index(10));
    let stats = QueueMonitor::new(stage.redis.clone()).stats().await.unwrap();
    assert_eq!((stats.queue_length.jobs(), stats.dead_letters, stats.live_workers), (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_jobs() {
    let mut stage = Stage::start().await;
    let _workers = [stage.worker(), stage.worker()];
    // Large ones: a thread reads dozens of small ones at once.
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
    assert_eq!(
        QueueMonitor::new(stage.redis.clone()).stats().await.unwrap().queue_length.jobs(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_is_killed_while_calculating_is_done_by_another() {
    let mut stage = Stage::start().await;
    let doomed = stage.worker();
    stage.submit([LONG]).await;
    doomed.until_taken();
    doomed.service.kill().unwrap();
    let _survivor = stage.worker();
    let value = stage.values(1).await.remove(0);
    assert_eq!((value.index, value.digits), (index(LONG), LONG_DIGITS));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_taken_by_a_worker_that_died_before_it_began_are_done_by_another() {
    let mut stage = Stage::start().await;
    let dead = Consumer::new(stage.redis.clone(), "dead".to_owned());
    let mut connection = dead.connect(TEST_TIMEOUT).await.unwrap();
    dead.create_groups(&mut connection).await.unwrap();
    stage.submit(1..=20).await;
    assert_eq!(
        dead.take(&mut connection, JobClass::ALL.map(|class| (class, 20)), TEST_TIMEOUT)
            .await
            .unwrap()
            .len(),
        20
    );
    let _worker = stage.worker();
    assert_eq!(stage.values(20).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_recreates_a_lost_consumer_group() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    let mut connection = stage.connection().await;
    stage.submit([10]).await;
    stage.values(1).await;

    redis::cmd("XGROUP")
        .arg("DESTROY")
        .arg("jobs")
        .arg("workers")
        .exec_async(&mut connection)
        .await
        .unwrap();
    stage.submit([20]).await;
    assert_eq!(stage.values(1).await[0].value, "6765");

    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    stage.submit([30]).await;
    assert_eq!(stage.values(1).await[0].value, "832040");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_after_a_restart_of_redis() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    stage.server.restart_empty().unwrap();
    stage.results = Subscription::open(&stage.redis, Channel::Results).await.unwrap();
    let submit = async || stage.producer.submit([&mut submission(40)]).await.ok();
    eventually("Redis is back", TEST_TIMEOUT, submit).await;
    assert_eq!(stage.values(1).await[0].value, "102334155");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_job_becomes_a_dead_letter_and_blocks_nobody() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    let mut connection = stage.connection().await;
    let fields = [("index", "garbage"), ("version", "99")];
    connection.xadd("jobs", "*", &fields).await.unwrap();
    connection.xadd("jobs", "*", &[("nothing", "here")]).await.unwrap();
    connection.xadd("jobs", "*", &[("index", b"\xff\xfe")]).await.unwrap();
    connection.xadd("jobs", "*", &[("index", "x".repeat(5_000_000))]).await.unwrap();
    // Nothing but the index is needed, and what is not known is passed over.
    connection
        .xadd(
            "jobs",
            "*",
            &[("version", "99"), ("index", "9"), ("request_id", &"x".repeat(5_000_000))],
        )
        .await
        .unwrap();
    stage.submit([10]).await;
    let mut values = stage.values(2).await;
    values.sort_unstable_by_key(|value| value.index);
    assert_eq!((values[0].value.as_str(), values[0].request_id.as_str()), ("34", ""));
    assert_eq!(values[1].value, "55");
    let monitor = QueueMonitor::new(stage.redis.clone());
    let dead_letters = async || (monitor.stats().await.unwrap().dead_letters >= 4).then_some(());
    eventually("there are four dead letters", TEST_TIMEOUT, dead_letters).await;
    assert_eq!(connection.xlen("jobs").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_servers_index_is_calculated() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    let mut connection = stage.connection().await;
    connection.hset("values", "7", "Nothing yet!").await.unwrap();
    connection.publish("insert", "7").await.unwrap();
    let value = stage.values(1).await.remove(0);
    assert_eq!((value.index, value.value.as_str()), (index(7), "13"));
    assert_eq!(connection.hget("values", "7").await.unwrap().as_deref(), Some("13"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_is_handled_by_one_of_several_workers() {
    let mut stage = Stage::start().await;
    let _workers: [WorkerProcess; 4] = std::array::from_fn(|_| stage.worker());
    stage.submit([10]).await;
    stage.values(1).await;
    // Each knows from its next heartbeat on whether it is the first.
    let mut new = 20..;
    eventually("each announcement runs one script", TEST_TIMEOUT, async || {
        stage.server.cli(&["CONFIG", "RESETSTAT"]).unwrap();
        let mut announcements = redis::pipe();
        for _ in 0..1_000 {
            announcements.publish("insert", "10");
        }
        announcements.publish("insert", new.next().unwrap());
        announcements.exec_async(&mut stage.connection().await).await.unwrap();
        stage.values(1).await;
        let stats = stage.server.cli(&["INFO", "commandstats"]).unwrap();
        let (_, scripts) = stats.split_once("cmdstat_evalsha:calls=").unwrap();
        let scripts: usize = scripts.split(',').next().unwrap().parse().unwrap();
        // Heartbeats and executors run some too.
        (1_000..2_000).contains(&scripts).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announced_garbage_delays_no_index() {
    let mut stage = Stage::start().await;
    let _worker = stage.worker();
    let mut connection = stage.connection().await;
    let huge = "9".repeat(5_000_000);
    for garbage in
        ["", "abc", "-1", "99999999999999999999", "{\"index\":7}", &huge, &"x".repeat(5_000_000)]
    {
        connection.publish("insert", garbage).await.unwrap();
    }
    connection.publish("insert", b"\xff\xfe\x00").await.unwrap();
    connection.publish("insert", "7").await.unwrap();
    assert_eq!(stage.values(1).await[0].index, index(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_while_redis_is_unavailable() {
    let stage = Stage::start().await;
    let worker = stage.worker_with(&[("RUST_LOG", "worker=debug")]);
    stage.submit([LONG]).await;
    worker.until_taken();
    stage.server.kill().unwrap();
    worker.service.wait_for_log("results not stored yet", TEST_TIMEOUT).unwrap();
    // Empty: the job is gone, and nobody here queues it again.
    stage.server.start().unwrap();
    let cache = ValueCache::new(stage.redis.clone());
    let digits = eventually("the result is stored", TEST_TIMEOUT, async || {
        match cache.get(index(LONG)).await {
            Ok(CachedValue::Whole(digits)) => Some(digits),
            _ => None,
        }
    })
    .await;
    assert_eq!(digits.len(), LONG_DIGITS);
}
