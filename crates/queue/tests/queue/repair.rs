//! Repair of foreign data and stale lists. Most tests of foreign data are in
//! `server/tests/api/garbage.rs`, with reconciliation.

use super::*;

#[tokio::test]
async fn an_index_whose_job_was_lost_can_be_queued_again() {
    let queue = TestQueue::start().await;
    queue.submit_all([10, 20].map(submission)).await;
    queue.command::<usize>(&["XTRIM", "jobs", "MAXLEN", "1"]).await;
    let repair = Repair::new(queue.redis.clone());
    assert_eq!(repair.remove_foreign_data().await.unwrap(), ["jobs:queued"]);
    assert!(repair.remove_foreign_data().await.unwrap().is_empty());
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
    assert_eq!(queue.submit(20).await, SubmissionState::Pending);
    assert_eq!(indices(&queue.worker("worker").take(10).await), [Some(20), Some(10)]);
}

/// Returns the index and the id of each entry of [`Repair::listed`].
async fn read_listed(repair: &Repair) -> Vec<(String, Option<f64>)> {
    let listed = repair.listed().await.unwrap();
    listed.into_iter().map(|entry| (entry.index, entry.id)).collect()
}

#[tokio::test]
async fn listed_entries_include_indices_that_the_original_added() {
    let queue = TestQueue::start().await;
    queue.submit_all([10, 20].map(submission)).await;
    queue
        .command::<usize>(&["HSET", "values", "30", "832040", "garbage", "1", "99999999999", "1"])
        .await;
    let listed = read_listed(&Repair::new(queue.redis.clone())).await;
    let expected = [("10", Some(10.0)), ("20", Some(20.0)), ("30", None), ("99999999999", None)];
    assert_eq!(listed, expected.map(|(index, id)| (index.to_owned(), id)));
}

#[tokio::test]
async fn an_entry_that_changed_after_it_was_read_stays_listed() {
    let queue = TestQueue::start().await;
    let repair = Repair::new(queue.redis.clone());
    queue.submit_all([10, 20, 30].map(submission)).await;
    queue.command::<usize>(&["HSET", "values", "40", "102334155", "50", "12586269025"]).await;
    queue.command::<usize>(&["ZADD", "values:recent", "inf", "30"]).await;
    let entries = repair.listed().await.unwrap();
    // Submitted after the read: 20 again, 40 for the first time.
    queue.submit_all([SubmitResponse { id: 21, ..submission(20) }, submission(40)]).await;
    repair.unlist(&entries).await.unwrap();
    assert_eq!(
        read_listed(&repair).await,
        [("20".to_owned(), Some(21.0)), ("40".to_owned(), Some(40.0))]
    );
    assert_eq!(queue.cache.current().await.unwrap().len(), 2);
}
