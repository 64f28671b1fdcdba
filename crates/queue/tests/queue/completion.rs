//! Completing jobs, alone or in a batch.

use super::*;

const BATCH: [(u64, &str); 4] = [(10, "55"), (20, "6765"), (30, "832040"), (40, "102334155")];

impl TestQueue {
    /// Completes the jobs of [`BATCH`] at once and returns their events. Before that, `values` has
    /// 999 of at most 1,000 fields, of these indices only 40, and index 30 has another job (`9-9`).
    async fn complete_batch(&self, results: &mut Subscription) -> Vec<QueueEvent> {
        let mut submissions = BATCH.map(|(number, _)| submission(number));
        self.producer.restore(&mut submissions).await.unwrap();
        let worker = self.worker("worker");
        let jobs = worker.take(BATCH.len()).await;
        self.command::<usize>(&["HDEL", "values", "10", "20", "30"]).await;
        let mut fill = ["HSET", "values"].map(str::to_owned).to_vec();
        fill.extend((1_000..1_998).flat_map(|number| [number.to_string(), "1".to_owned()]));
        self.command::<usize>(&fill).await;
        self.command::<usize>(&["HSET", "jobs:queued", "30", "9-9"]).await;

        let batch: Vec<_> =
            jobs.into_iter().zip(BATCH).map(|(job, (_, digits))| completed(job, digits)).collect();
        worker.try_complete(&batch).await.unwrap();
        next_events(results).await
    }

    /// Fails to complete a job with a long value, because Redis has no memory. Returns the result.
    /// Redis has memory again afterwards.
    async fn complete_without_memory(&self, worker: &TestWorker) -> [CompletedJob; 1] {
        self.submit(10).await;
        let result = [completed(worker.take(1).await.remove(0), &"5".repeat(1_000_000))];
        self.command::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
        assert!(worker.try_complete(&result).await.is_err());
        self.command::<String>(&["CONFIG", "SET", "maxmemory", "0"]).await;
        result
    }
}

#[tokio::test]
async fn completing_a_job_dequeues_it_and_caches_its_value() {
    let queue = TestQueue::start().await;
    queue.calculate(10, "55").await;
    assert_eq!(queue.queue_length().await, 0);
    assert_eq!(queue.cache.get(index(10)).await.unwrap(), CachedValue::Whole("55".to_owned()));
    assert_eq!(queue.submit(10).await, SubmissionState::Done);
}

#[tokio::test]
async fn a_value_event_has_the_times_of_enqueueing_and_storing() {
    let queue = TestQueue::start().await;
    let mut results = queue.subscribe().await;
    queue.calculate(10, "55").await;
    let value = next_value(&mut results).await;
    assert_eq!((value.index, value.value.as_str()), (index(10), "55"));
    assert!(value.hops.stored >= value.hops.pushed && value.hops.pushed > 0, "{:?}", value.hops);
}

#[tokio::test]
async fn a_job_completed_twice_publishes_one_event() {
    let queue = TestQueue::start().await;
    let (slow, job) = queue.deliver(10, "slow").await;
    let quick = queue.worker("quick");
    let claimed = quick.reclaim(ANY_IDLE_TIME).await.claimed.remove(0);
    let mut results = queue.subscribe().await;
    quick.complete(claimed, "55").await;
    slow.complete(job, "55").await;
    // Its event arrives after any second event of index 10.
    queue.submit(20).await;

    let value = next_value(&mut results).await;
    assert_eq!(
        (value.index, value.worker.as_str(), value.value.as_str()),
        (index(10), "quick", "55")
    );
    let events = next_events(&mut results).await;
    assert!(matches!(&events[..], [QueueEvent::Submitted(event)] if event.index == index(20)));
}

#[tokio::test]
async fn a_value_of_any_length_is_cached_before_its_event() {
    let queue = TestQueue::start().await;
    let mut results = queue.subscribe().await;
    // Up to 64 KiB of digits are stored as text, more are packed.
    for (number, length) in [(1_000, 64 * 1024), (1_001, 64 * 1024 + 1), (1_002, 2_000_000)] {
        let digits = "7".repeat(length);
        queue.calculate(number, &digits).await;
        assert_eq!(next_value(&mut results).await.index, index(number));
        // Not `assert_eq`, which would print the digits.
        assert!(
            queue.cache.get(index(number)).await.unwrap() == CachedValue::Whole(digits),
            "{length}"
        );
    }
}

#[tokio::test]
async fn a_batch_lists_new_indices_up_to_the_limit() {
    let queue = TestQueue::start().await;
    queue.complete_batch(&mut queue.subscribe().await).await;
    let listed: Vec<Option<String>> =
        queue.command(&["HMGET", "values", "10", "20", "30", "40"]).await;
    assert_eq!(listed, [Some("55".to_owned()), None, None, Some("102334155".to_owned())]);
}

#[tokio::test]
async fn each_value_of_a_batch_is_cached() {
    let queue = TestQueue::start().await;
    queue.complete_batch(&mut queue.subscribe().await).await;
    for (number, digits) in BATCH {
        assert_eq!(
            queue.cache.get(index(number)).await.unwrap(),
            CachedValue::Whole(digits.to_owned())
        );
    }
}

#[tokio::test]
async fn a_batch_dequeues_only_its_own_jobs() {
    let queue = TestQueue::start().await;
    queue.complete_batch(&mut queue.subscribe().await).await;
    assert_eq!(queue.command::<usize>(&["XLEN", "jobs"]).await, 0);
    assert_eq!(queue.command::<Vec<String>>(&["HGETALL", "jobs:queued"]).await, ["30", "9-9"]);
}

#[tokio::test]
async fn a_batch_publishes_its_events_in_one_message() {
    let queue = TestQueue::start().await;
    let events = queue.complete_batch(&mut queue.subscribe().await).await;
    let published = events.iter().map(|event| match event {
        QueueEvent::Value(value) => (value.index.get().into(), value.value.as_str()),
        other => panic!("{other:?}"),
    });
    assert_eq!(published.collect::<Vec<_>>(), BATCH);
}

#[tokio::test]
async fn a_refused_long_value_does_not_complete_its_job() {
    let queue = TestQueue::start().await;
    queue.complete_without_memory(&queue.worker("worker")).await;
    assert_eq!(queue.queue_length().await, 1);
    assert_eq!(queue.command::<String>(&["HGET", "values", "10"]).await, "Nothing yet!");
    assert_eq!(queue.command::<usize>(&["EXISTS", "value:10"]).await, 0);
}

#[tokio::test]
async fn a_refused_value_can_be_stored_later_and_publishes_one_event() {
    let queue = TestQueue::start().await;
    let mut results = queue.subscribe().await;
    let worker = queue.worker("worker");
    let result = queue.complete_without_memory(&worker).await;
    worker.try_complete(&result).await.unwrap();
    let cached = queue.cache.get(index(10)).await.unwrap();
    assert!(matches!(cached, CachedValue::Whole(digits) if digits == result[0].digits));
    assert_eq!(next_events(&mut results).await.len(), 1);
}
