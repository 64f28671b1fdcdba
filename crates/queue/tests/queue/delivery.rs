//! Delivery of a job to one worker, and to another if the first worker or the group is lost.

use super::*;

#[tokio::test]
async fn a_job_is_delivered_to_one_worker_with_its_request() {
    let queue = TestQueue::start().await;
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
    let jobs = queue.worker("one").take(10).await;
    assert_eq!(indices(&jobs), [Some(10)]);
    assert_eq!(jobs[0].request_id, "request-10");
    assert_eq!((jobs[0].hops.received, jobs[0].hops.committed), (1, 2));
    assert!(queue.worker("other").take(10).await.is_empty());
    assert_eq!(queue.queue_length().await, 1);
}

#[tokio::test]
async fn a_job_carries_the_trace_of_its_submission_if_there_is_one() {
    let queue = TestQueue::start().await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    queue.producer.submit([(&mut submission(10), traceparent)]).await.unwrap();
    queue.submit(20).await;
    let jobs = queue.worker("worker").take(10).await;
    assert_eq!(indices(&jobs), [Some(10), Some(20)]);
    assert_eq!([&jobs[0].traceparent, &jobs[1].traceparent], [traceparent, ""]);
}

#[tokio::test]
async fn a_non_utf8_entry_does_not_affect_other_jobs() {
    let queue = TestQueue::start().await;
    queue.submit(10).await;
    let entry: [&[u8]; 9] =
        [b"XADD", b"jobs", b"*", b"index", b"11", b"request_id", b"\xff\xfe", b"\xff", b"\x00"];
    queue.command::<String>(&entry).await;
    let entry: [&[u8]; 5] = [b"XADD", b"jobs", b"*", b"index", b"\xff\xfe"];
    queue.command::<String>(&entry).await;
    queue.submit(20).await;
    let jobs = queue.worker("worker").take(10).await;
    assert_eq!(indices(&jobs), [Some(10), Some(11), None, Some(20)]);
    assert_eq!(jobs[1].request_id, "");
}

#[tokio::test]
async fn a_job_is_reclaimed_only_after_the_heartbeat_timeout() {
    let queue = TestQueue::start().await;
    let ((live, job), other) = (queue.deliver(10, "live").await, queue.worker("other"));
    let timeout = Duration::from_millis(500);
    let mut heartbeats = tokio::time::interval(timeout / 10);
    for _ in 0..20 {
        heartbeats.tick().await;
        live.heartbeat(&job).await;
        assert!(other.reclaim(timeout).await.claimed.is_empty());
    }
    let claimed = eventually("it is reclaimed", TEST_TIMEOUT, async || {
        other.reclaim(timeout).await.claimed.pop()
    })
    .await;
    assert_eq!(claimed.id, job.id);
}

#[tokio::test]
async fn a_late_heartbeat_does_not_take_back_a_reclaimed_job() {
    let queue = TestQueue::start().await;
    let ((late, job), other) = (queue.deliver(10, "late").await, queue.worker("other"));
    other.reclaim(ANY_IDLE_TIME).await;
    late.heartbeat(&job).await;
    let pending: Vec<(String, String, u64, u64)> =
        queue.command(&["XPENDING", "jobs", "workers", "-", "+", "1"]).await;
    let (id, owner, ..) = &pending[0];
    assert_eq!((id, owner.as_str()), (&job.id, "other"));
    assert!(other.reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed.is_empty());
}

#[tokio::test]
async fn jobs_of_a_deregistered_worker_are_reclaimed_at_once() {
    let queue = TestQueue::start().await;
    let (worker, job) = queue.deliver(10, "worker").await;
    worker.deregister(&job).await;
    let claimed = queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed;
    assert_eq!(claimed[0].id, job.id);
}

#[tokio::test]
async fn a_worker_is_live_until_it_deregisters() {
    let queue = TestQueue::start().await;
    let (worker, job) = queue.deliver(10, "worker").await;
    worker.heartbeat(&job).await;
    assert_eq!(queue.monitor.stats().await.unwrap().live_workers, 1);
    worker.deregister(&job).await;
    assert_eq!(queue.monitor.stats().await.unwrap().live_workers, 0);
}

#[tokio::test]
async fn the_first_sixteen_live_workers_are_named() {
    let queue = TestQueue::start().await;
    let names: Vec<_> = (10..30).map(|number| format!("worker-{number}")).collect();
    for name in names.iter().rev() {
        queue.worker(name).consumer.heartbeat(&[]).await.unwrap();
    }
    let stats = queue.monitor.stats().await.unwrap();
    assert_eq!((stats.live_workers, stats.worker_names.as_slice()), (20, &names[..16]));
}

#[tokio::test]
async fn releasing_a_job_does_not_count_as_a_delivery() {
    let queue = TestQueue::start().await;
    let (mut owner, mut job) = queue.deliver(10, "first").await;
    for number in 0..2 * Consumer::MAX_DELIVERIES {
        owner.consumer.release(std::slice::from_ref(&job.id)).await.unwrap();
        owner = queue.worker(&format!("next-{number}"));
        job = owner.reclaim(ANY_IDLE_TIME).await.claimed.remove(0);
    }
    assert_eq!(queue.monitor.stats().await.unwrap().dead_letters, 0);
}

#[tokio::test]
async fn a_released_job_waits_for_the_heartbeat_timeout() {
    let queue = TestQueue::start().await;
    let (owner, job) = queue.deliver(10, "owner").await;
    owner.consumer.release(std::slice::from_ref(&job.id)).await.unwrap();
    assert!(queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed.is_empty());
}

#[tokio::test]
async fn deregistering_does_not_count_as_a_delivery() {
    let queue = TestQueue::start().await;
    let (mut owner, mut job) = queue.deliver(10, "first").await;
    for number in 0..2 * Consumer::MAX_DELIVERIES {
        owner.deregister(&job).await;
        owner = queue.worker(&format!("next-{number}"));
        job = owner.reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed.remove(0);
    }
    assert_eq!(queue.monitor.stats().await.unwrap().dead_letters, 0);
}

/// A queue with a job, whose Redis has lost the group.
async fn without_group() -> (TestQueue, TestWorker) {
    let queue = TestQueue::start().await;
    let worker = queue.worker("worker");
    let mut connection = worker.connect().await;
    queue.server.restart_empty().unwrap();
    let submit = async || queue.producer.submit([(&mut submission(10), "")]).await.ok();
    eventually("Redis is back", TEST_TIMEOUT, submit).await;
    assert!(worker.try_take(&mut connection, 1).await.is_err());
    (queue, worker)
}

#[tokio::test]
async fn a_lost_group_is_reported() {
    let (_queue, worker) = without_group().await;
    let mut connection = worker.connect().await;
    assert!(matches!(worker.try_take(&mut connection, 1).await, Err(QueueError::NoGroup)));
    assert!(matches!(worker.try_reclaim(ANY_IDLE_TIME).await, Err(QueueError::NoGroup)));
}

#[tokio::test]
async fn a_new_group_delivers_the_jobs_in_its_stream() {
    let (_queue, worker) = without_group().await;
    worker.create_groups().await;
    worker.create_groups().await;
    assert_eq!(indices(&worker.take(1).await), [Some(10)]);
}
