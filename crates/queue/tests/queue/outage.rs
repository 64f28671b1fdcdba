//! Time in which no worker could send heartbeats is not idle time of a job.

use super::*;

impl TestQueue {
    /// As if no worker had sent a heartbeat for `gap` until now (or, if negative, as if the clock of
    /// Redis had been set back by that much), and the one job been idle for `idle`.
    async fn after_outage(&self, job: &Job, owner: &str, gap_ms: i64, idle: &str) {
        let last = i64::try_from(now_micros()).unwrap() / 1_000 - gap_ms;
        self.command::<()>(&["SET", "workers:last-heartbeat", &last.to_string()]).await;
        let claim = ["XCLAIM", "jobs", "workers", owner, "0", &job.entry, "IDLE", idle, "JUSTID"];
        self.command::<Vec<String>>(&claim).await;
    }
}

#[tokio::test]
async fn a_live_workers_job_is_not_reclaimed_after_an_outage() {
    let queue = TestQueue::start().await;
    let (_worker, job) = queue.deliver(10, "live").await;
    queue.after_outage(&job, "live", 10_000, "10500").await;
    assert!(queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed.is_empty());
}

#[tokio::test]
async fn a_job_that_was_idle_before_an_outage_is_reclaimed() {
    let queue = TestQueue::start().await;
    let (_worker, job) = queue.deliver(10, "dead").await;
    queue.after_outage(&job, "dead", 10_000, "15000").await;
    let claimed = queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed;
    assert_eq!(indices(&claimed), [Some(10)]);
}

#[tokio::test]
async fn a_short_gap_between_heartbeats_is_no_outage() {
    let queue = TestQueue::start().await;
    let (_worker, job) = queue.deliver(10, "dead").await;
    queue.after_outage(&job, "dead", 1_000, "3500").await;
    let claimed = queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed;
    assert_eq!(indices(&claimed), [Some(10)]);
}
