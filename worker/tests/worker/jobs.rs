//! Every job is completed once: several workers share the jobs, reclaim those of dead workers, and
//! keep results while Redis is unavailable. Tests with many faults in the whole system are in
//! `e2e`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_calculated_stored_and_announced() {
    let mut queue = ApiQueue::start().await;
    let _worker = queue.start_worker();
    queue.submit([10]).await;
    let value = queue.next_values(1).await.remove(0);
    assert_eq!((value.index, value.value.as_str(), value.digits), (index(10), "55", 2));
    assert_eq!(value.request_id, "request-10");
    assert_eq!(queue.connection().await.hget("values", "10").await.unwrap().as_deref(), Some("55"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_logged_and_counted() {
    let queue = ApiQueue::start().await;
    let worker = queue.start_worker();
    queue.submit([10]).await;
    let is_about_it = |line: &str| line.contains("request-10") && line.contains("calculated");
    let is_logged = || worker.service.log().lines().any(is_about_it);
    wait_until("the job is logged", TEST_TIMEOUT, is_logged).unwrap();
    let is_counted = || worker.get("/metrics").contains("jobs_total{outcome=\"done\"} 1");
    wait_until("the job is counted", TEST_TIMEOUT, is_counted).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reclaimed_from_a_frozen_worker_is_announced_once() {
    let mut queue = ApiQueue::start().await;
    let frozen = queue.start_worker();
    queue.submit([SLOW_INDEX]).await;
    frozen.wait_until_taken();
    frozen.service.freeze().unwrap();
    let other = queue.start_worker();
    let value = queue.next_values(1).await.remove(0);
    assert_eq!(value.digits, SLOW_DIGITS);
    let reclaimed = "job reclaimed: its worker sent no heartbeat or released it";
    other.service.wait_for_log(reclaimed, TEST_TIMEOUT).unwrap();

    frozen.service.thaw().unwrap();
    frozen.service.wait_for_log("\"calculated\"", TEST_TIMEOUT).unwrap();
    // If the frozen worker announced its result too, that would come before this value.
    queue.submit([10]).await;
    assert_eq!(queue.next_values(1).await[0].index, index(10));
    let stats = QueueMonitor::new(queue.client.clone()).stats().await.unwrap();
    assert_eq!((stats.queue_length.jobs(), stats.dead_letters, stats.live_workers), (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_jobs() {
    let mut queue = ApiQueue::start().await;
    let _workers = [queue.start_worker(), queue.start_worker()];
    // Large indices, because one thread takes dozens of small ones at once.
    let jobs = MAX_INDEX - 40..MAX_INDEX;
    queue.submit(jobs.clone()).await;
    let values = queue.next_values(40).await;
    let mut by_worker = BTreeMap::<_, usize>::new();
    for value in &values {
        *by_worker.entry(value.worker.clone()).or_default() += 1;
    }
    assert!(by_worker.len() == 2 && by_worker.values().all(|&jobs| jobs >= 5), "{by_worker:?}");
    let mut indices: Vec<_> = values.iter().map(|value| value.index).collect();
    indices.sort_unstable();
    assert_eq!(indices, jobs.map(index).collect::<Vec<_>>());
    assert_eq!(
        QueueMonitor::new(queue.client.clone()).stats().await.unwrap().queue_length.jobs(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_completes_the_job_of_a_killed_worker() {
    let mut queue = ApiQueue::start().await;
    let doomed = queue.start_worker();
    queue.submit([SLOW_INDEX]).await;
    doomed.wait_until_taken();
    doomed.service.kill().unwrap();
    let _survivor = queue.start_worker();
    let value = queue.next_values(1).await.remove(0);
    assert_eq!((value.index, value.digits), (index(SLOW_INDEX), SLOW_DIGITS));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_completes_the_jobs_that_a_dead_worker_only_took() {
    let mut queue = ApiQueue::start().await;
    let dead = Consumer::new(queue.client.clone(), "dead".to_owned());
    let mut connection = dead.connect(TEST_TIMEOUT).await.unwrap();
    dead.create_groups(&mut connection).await.unwrap();
    queue.submit(1..=20).await;
    let preference = JobClass::ALL.map(|class| (class, 20));
    let taken = dead.take(&mut connection, preference, TEST_TIMEOUT).await.unwrap();
    assert_eq!(taken.len(), 20);
    let _worker = queue.start_worker();
    assert_eq!(queue.next_values(20).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_recreates_a_lost_consumer_group() {
    let mut queue = ApiQueue::start().await;
    let _worker = queue.start_worker();
    let mut connection = queue.connection().await;
    queue.submit([10]).await;
    queue.next_values(1).await;

    redis::cmd("XGROUP")
        .arg("DESTROY")
        .arg("jobs")
        .arg("workers")
        .exec_async(&mut connection)
        .await
        .unwrap();
    queue.submit([20]).await;
    assert_eq!(queue.next_values(1).await[0].value, "6765");

    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    queue.submit([30]).await;
    assert_eq!(queue.next_values(1).await[0].value, "832040");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_continues_after_a_restart_of_redis() {
    let mut queue = ApiQueue::start().await;
    let _worker = queue.start_worker();
    queue.redis.restart_empty().unwrap();
    queue.results = Subscription::open(&queue.client, Channel::Results).await.unwrap();
    let submit = async || queue.producer.submit([(&mut submission(40), "")]).await.ok();
    eventually("Redis is back", TEST_TIMEOUT, submit).await;
    assert_eq!(queue.next_values(1).await[0].value, "102334155");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_without_a_valid_index_becomes_a_dead_letter() {
    let mut queue = ApiQueue::start().await;
    let _worker = queue.start_worker();
    let mut connection = queue.connection().await;
    let fields = [("index", "garbage"), ("version", "99")];
    connection.xadd("jobs", "*", &fields).await.unwrap();
    connection.xadd("jobs", "*", &[("nothing", "here")]).await.unwrap();
    connection.xadd("jobs", "*", &[("index", b"\xff\xfe")]).await.unwrap();
    connection.xadd("jobs", "*", &[("index", "x".repeat(5_000_000))]).await.unwrap();
    // This one is a job: only the index is required, and unknown fields are ignored.
    connection
        .xadd(
            "jobs",
            "*",
            &[("version", "99"), ("index", "9"), ("request_id", &"x".repeat(5_000_000))],
        )
        .await
        .unwrap();
    queue.submit([10]).await;
    let mut values = queue.next_values(2).await;
    values.sort_unstable_by_key(|value| value.index);
    assert_eq!((values[0].value.as_str(), values[0].request_id.as_str()), ("34", ""));
    assert_eq!(values[1].value, "55");
    let monitor = QueueMonitor::new(queue.client.clone());
    let dead_letters = async || (monitor.stats().await.unwrap().dead_letters >= 4).then_some(());
    eventually("there are four dead letters", TEST_TIMEOUT, dead_letters).await;
    assert_eq!(connection.xlen("jobs").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_announced_by_an_original_server_is_calculated() {
    let mut queue = ApiQueue::start().await;
    let _worker = queue.start_worker();
    let mut connection = queue.connection().await;
    connection.hset("values", "7", "Nothing yet!").await.unwrap();
    connection.publish("insert", "7").await.unwrap();
    let value = queue.next_values(1).await.remove(0);
    assert_eq!((value.index, value.value.as_str()), (index(7), "13"));
    assert_eq!(connection.hget("values", "7").await.unwrap().as_deref(), Some("13"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_several_workers_queues_an_announcement() {
    let mut queue = ApiQueue::start().await;
    let _workers: [WorkerProcess; 4] = std::array::from_fn(|_| queue.start_worker());
    queue.submit([10]).await;
    queue.next_values(1).await;
    // Each worker learns at its next heartbeat whether it is the leader.
    let mut new_indices = 20..;
    eventually("each announcement runs one script", TEST_TIMEOUT, async || {
        queue.redis.cli(&["CONFIG", "RESETSTAT"]).unwrap();
        let mut announcements = redis::pipe();
        for _ in 0..1_000 {
            announcements.publish("insert", "10");
        }
        announcements.publish("insert", new_indices.next().unwrap());
        announcements.exec_async(&mut queue.connection().await).await.unwrap();
        queue.next_values(1).await;
        let stats = queue.redis.cli(&["INFO", "commandstats"]).unwrap();
        let (_, scripts) = stats.split_once("cmdstat_evalsha:calls=").unwrap();
        let scripts: usize = scripts.split(',').next().unwrap().parse().unwrap();
        // Heartbeats and executors run some scripts too.
        (1_000..2_000).contains(&scripts).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_announcements_do_not_delay_a_valid_one() {
    let mut queue = ApiQueue::start().await;
    let _worker = queue.start_worker();
    let mut connection = queue.connection().await;
    let huge = "9".repeat(5_000_000);
    for garbage in
        ["", "abc", "-1", "99999999999999999999", "{\"index\":7}", &huge, &"x".repeat(5_000_000)]
    {
        connection.publish("insert", garbage).await.unwrap();
    }
    connection.publish("insert", b"\xff\xfe\x00").await.unwrap();
    connection.publish("insert", "7").await.unwrap();
    assert_eq!(queue.next_values(1).await[0].index, index(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_stored_when_redis_is_available_again() {
    let queue = ApiQueue::start().await;
    let worker = queue.start_worker_with(&[("RUST_LOG", "worker=debug")]);
    queue.submit([SLOW_INDEX]).await;
    worker.wait_until_taken();
    queue.redis.kill().unwrap();
    worker.service.wait_for_log("results not stored yet", TEST_TIMEOUT).unwrap();
    // Redis is empty now, so the job is gone, and nothing in this test queues it again.
    queue.redis.start().unwrap();
    let cache = ValueCache::new(queue.client.clone());
    let digits = eventually("the result is stored", TEST_TIMEOUT, async || {
        match cache.get(index(SLOW_INDEX)).await {
            Ok(CachedValue::Whole(digits)) => Some(digits),
            _ => None,
        }
    })
    .await;
    assert_eq!(digits.len(), SLOW_DIGITS);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_jobs_starve_neither_large_ones_nor_repair() {
    let queue = ApiQueue::start().await;
    queue.submit(95_000..=99_000).await;
    queue.submit([100_001]).await;
    queue.producer.backfill(&mut [submission(7)]).await.unwrap();
    let _worker = queue.start_worker_with(&[("WORKER_THREADS", "1")]);
    let cache = ValueCache::new(queue.client.clone());
    for number in [100_001, 7] {
        let is_cached = async || {
            let cached = cache.get(index(number)).await.ok()?;
            matches!(cached, CachedValue::Whole(_)).then_some(())
        };
        eventually("the value is cached", TEST_TIMEOUT, is_cached).await;
    }
    let stats = QueueMonitor::new(queue.client.clone()).stats().await.unwrap();
    assert_ne!(stats.queue_length.by_class[JobClass::Small], 0, "all small jobs came first");
}
