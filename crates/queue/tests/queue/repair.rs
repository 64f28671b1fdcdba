//! Data under our keys that is not ours. Most of it is tested in `server`, with reconciliation.

use super::*;

#[tokio::test]
async fn an_index_whose_job_is_gone_leaves_the_queue() {
    let queue = TestQueue::start().await;
    queue.submit_all([10, 20].map(submission)).await;
    queue.command::<usize>(&["XTRIM", "jobs", "MAXLEN", "1"]).await;
    let repair = Repair::new(queue.redis.clone());
    assert_eq!(repair.remove_foreign_data().await.unwrap(), ["jobs:queued"]);
    assert!(repair.remove_foreign_data().await.unwrap().is_empty());
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
    assert_eq!(queue.submit(20).await, SubmissionState::Pending);
    assert_eq!(indices(&queue.worker("worker").read(10).await), [Some(20), Some(10)]);
}
