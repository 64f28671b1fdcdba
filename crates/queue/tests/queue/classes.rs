//! Jobs of each class go through the same life, in streams of their own.

use super::*;

const STREAMS: [&str; 3] = ["jobs", "jobs:large", "jobs:repair"];

impl TestQueue {
    /// Queues a job of each class: 10, one million, and 20 to be repaired.
    async fn submit_classes(&self) {
        self.submit(10).await;
        self.submit(1_000_000).await;
        self.producer.backfill([&mut submission(20)]).await.unwrap();
    }

    /// Lets `worker` take these jobs.
    async fn take_classes(&self, worker: &TestWorker) -> [Job; 3] {
        self.submit_classes().await;
        let mut jobs = Vec::new();
        while jobs.len() < 3 {
            jobs.extend(worker.read(10).await);
        }
        jobs.try_into().unwrap()
    }
}

#[tokio::test]
async fn each_class_has_its_stream() {
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
async fn a_heartbeat_keeps_jobs_of_all_classes() {
    let queue = TestQueue::start().await;
    let (live, other) = (queue.worker("live"), queue.worker("other"));
    let jobs = queue.take_classes(&live).await;
    live.0.heartbeat(&jobs.map(|job| job.id)).await.unwrap();
    assert!(other.reclaim(TEST_TIMEOUT).await.claimed.is_empty());
}

#[tokio::test]
async fn released_jobs_of_all_classes_do_not_count_as_deliveries() {
    let queue = TestQueue::start().await;
    let worker = queue.worker("worker");
    let jobs = queue.take_classes(&worker).await;
    worker.0.release(&jobs.map(|job| job.id)).await.unwrap();
    for stream in STREAMS {
        let pending: Vec<(String, String, u64, u64)> =
            queue.command(&["XPENDING", stream, "workers", "-", "+", "1"]).await;
        assert_eq!(pending[0].3, 0, "{stream}");
    }
}

#[tokio::test]
async fn jobs_of_all_classes_become_dead_letters() {
    let queue = TestQueue::start().await;
    queue.take_classes(&queue.worker("victim")).await;
    let (other, mut dead) = (queue.worker("other"), Vec::new());
    eventually("three are dead letters", TEST_TIMEOUT, async || {
        dead.extend(other.reclaim(AT_ONCE).await.dead_lettered);
        (dead.len() == 3).then_some(())
    })
    .await;
    dead.sort_unstable_by_key(|job| job.index);
    assert_eq!(indices(&dead), [Some(10), Some(20), Some(1_000_000)]);
    assert_eq!(queue.queue_length().await, 0);
    assert_eq!(queue.command::<usize>(&["EXISTS", "jobs:queued"]).await, 0);
}

#[tokio::test]
async fn only_a_queued_field_without_a_job_is_foreign() {
    let queue = TestQueue::start().await;
    queue.submit_classes().await;
    let fields = ["HSET", "jobs:queued", "30", "large/9-9", "31", "repair/no id"];
    queue.command::<usize>(&fields).await;
    let repair = Repair::new(queue.redis.clone());
    assert_eq!(repair.remove_foreign_data().await.unwrap(), ["jobs:queued"]);
    let mut left: Vec<String> = queue.command(&["HKEYS", "jobs:queued"]).await;
    left.sort_unstable();
    assert_eq!(left, ["10", "1000000", "20"]);
}

#[tokio::test]
async fn a_foreign_queued_field_fails_no_other_submission() {
    let queue = TestQueue::start().await;
    queue.command::<usize>(&["HSET", "jobs:queued", "30", "repair/no id"]).await;
    let outcomes = queue.submit_all([30, 40].map(submission)).await;
    assert!(outcomes.iter().all(|(state, _)| *state == SubmissionState::Queued), "{outcomes:?}");
}

#[tokio::test]
async fn an_announcement_leaves_a_repair_job_where_it_is() {
    let queue = TestQueue::start().await;
    queue.producer.backfill([&mut submission(10)]).await.unwrap();
    let state = queue.producer.enqueue_announced(index(10), "").await.unwrap();
    assert_eq!(state, SubmissionState::Pending);
    assert_eq!(queue.command::<usize>(&["XLEN", "jobs:repair"]).await, 1);
}

#[tokio::test]
async fn a_group_that_one_stream_lacks_is_created() {
    let queue = TestQueue::start().await;
    queue.command::<usize>(&["XGROUP", "DESTROY", "jobs:large", "workers"]).await;
    let worker = queue.worker("worker");
    let mut connection = worker.connect().await;
    assert!(matches!(worker.try_read(&mut connection, 1).await, Err(QueueError::NoGroup)));
    worker.create_groups().await;
    queue.submit(1_000_000).await;
    assert_eq!(indices(&worker.read(1).await), [Some(1_000_000)]);
}
