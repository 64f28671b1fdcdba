//! Jobs of each class have their own stream, and are handled in the same way.

use super::*;

const STREAMS: [&str; 3] = ["jobs", "jobs:large", "jobs:repair"];

impl TestQueue {
    /// Queues a job of each class: 10 (small), 1,000,000 (large) and 20 (repair).
    async fn submit_classes(&self) {
        self.submit(10).await;
        self.submit(1_000_000).await;
        self.producer.backfill([&mut submission(20)]).await.unwrap();
    }

    /// Queues these jobs and lets `worker` take them.
    async fn take_classes(&self, worker: &TestWorker) -> [Job; 3] {
        self.submit_classes().await;
        let mut jobs = Vec::new();
        while jobs.len() < 3 {
            jobs.extend(worker.take(10).await);
        }
        jobs.try_into().unwrap()
    }
}

#[tokio::test]
async fn each_class_has_its_own_stream() {
    let queue = TestQueue::start().await;
    queue.submit_classes().await;
    for stream in STREAMS {
        assert_eq!(queue.command::<usize>(&["XLEN", stream]).await, 1, "{stream}");
    }
    assert_eq!(queue.monitor.stats().await.unwrap().queue_length.by_class.0, [1, 1, 1]);
    let jobs = queue.take_classes(&queue.worker("worker")).await;
    assert_eq!(indices(&jobs), [Some(10), Some(1_000_000), Some(20)]);
    assert_eq!(jobs.map(|job| job.class), JobClass::ALL);
}

#[tokio::test]
async fn a_batch_completes_jobs_of_all_classes() {
    let queue = TestQueue::start().await;
    let worker = queue.worker("worker");
    let jobs = queue.take_classes(&worker).await;
    worker.try_complete(&jobs.map(|job| completed(job, "55"))).await.unwrap();
    assert_eq!(queue.queue_length().await, 0);
    assert_eq!(queue.command::<usize>(&["EXISTS", "jobs:queued"]).await, 0);
}

#[tokio::test]
async fn a_heartbeat_resets_the_idle_time_of_jobs_of_all_classes() {
    let queue = TestQueue::start().await;
    let (live, other) = (queue.worker("live"), queue.worker("other"));
    let jobs = queue.take_classes(&live).await;
    live.consumer.heartbeat(&jobs.map(|job| job.id)).await.unwrap();
    assert!(other.reclaim(TEST_TIMEOUT).await.claimed.is_empty());
}

#[tokio::test]
async fn released_jobs_of_all_classes_do_not_count_as_deliveries() {
    let queue = TestQueue::start().await;
    let worker = queue.worker("worker");
    let jobs = queue.take_classes(&worker).await;
    worker.consumer.release(&jobs.map(|job| job.id)).await.unwrap();
    for stream in STREAMS {
        let pending: Vec<(String, String, u64, u64)> =
            queue.command(&["XPENDING", stream, "workers", "-", "+", "1"]).await;
        let (_, _, _, deliveries) = &pending[0];
        assert_eq!(*deliveries, 0, "{stream}");
    }
}

#[tokio::test]
async fn jobs_of_all_classes_become_dead_letters() {
    let queue = TestQueue::start().await;
    queue.take_classes(&queue.worker("victim")).await;
    let (other, mut dead) = (queue.worker("other"), Vec::new());
    eventually("three are dead letters", TEST_TIMEOUT, async || {
        dead.extend(other.reclaim(ANY_IDLE_TIME).await.dead_lettered);
        (dead.len() == 3).then_some(())
    })
    .await;
    dead.sort_unstable_by_key(|job| job.index);
    assert_eq!(indices(&dead), [Some(10), Some(20), Some(1_000_000)]);
    assert_eq!(queue.queue_length().await, 0);
    assert_eq!(queue.command::<usize>(&["EXISTS", "jobs:queued"]).await, 0);
}

#[tokio::test]
async fn repair_removes_only_queued_indices_without_a_job() {
    let queue = TestQueue::start().await;
    queue.submit_classes().await;
    let add_foreign = ["HSET", "jobs:queued", "30", "large/9-9", "31", "repair/no id"];
    queue.command::<usize>(&add_foreign).await;
    let repair = Repair::new(queue.redis.clone());
    assert_eq!(repair.remove_foreign_data().await.unwrap(), ["jobs:queued"]);
    let mut fields: Vec<String> = queue.command(&["HKEYS", "jobs:queued"]).await;
    fields.sort_unstable();
    assert_eq!(fields, ["10", "1000000", "20"]);
}

#[tokio::test]
async fn a_foreign_job_id_does_not_fail_other_submissions() {
    let queue = TestQueue::start().await;
    queue.command::<usize>(&["HSET", "jobs:queued", "30", "repair/no id"]).await;
    let outcomes = queue.submit_all([30, 40].map(submission)).await;
    assert!(outcomes.iter().all(|(state, _)| *state == SubmissionState::Queued), "{outcomes:?}");
}

#[tokio::test]
async fn an_announcement_does_not_replace_a_repair_job() {
    let queue = TestQueue::start().await;
    queue.producer.backfill([&mut submission(10)]).await.unwrap();
    let state = queue.producer.enqueue_announced(index(10), "").await.unwrap();
    assert_eq!(state, SubmissionState::Pending);
    assert_eq!(queue.command::<usize>(&["XLEN", "jobs:repair"]).await, 1);
}

#[tokio::test]
async fn a_missing_group_of_one_stream_is_created() {
    let queue = TestQueue::start().await;
    queue.command::<usize>(&["XGROUP", "DESTROY", "jobs:large", "workers"]).await;
    let worker = queue.worker("worker");
    let mut connection = worker.connect().await;
    assert!(matches!(worker.try_take(&mut connection, 1).await, Err(QueueError::NoGroup)));
    worker.create_groups().await;
    queue.submit(1_000_000).await;
    assert_eq!(indices(&worker.take(1).await), [Some(1_000_000)]);
}
