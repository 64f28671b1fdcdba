//! Enqueueing indices, alone or in a batch.

use super::*;

#[tokio::test]
async fn restoring_a_completed_index_keeps_its_value() {
    let queue = TestQueue::start().await;
    // The job is completed before reconciliation repeats the submission.
    queue.calculate(10, "55").await;
    let mut restored = [submission(10)];
    queue.producer.restore(&mut restored).await.unwrap();
    assert_eq!(
        (restored[0].state, restored[0].value.as_deref()),
        (SubmissionState::Done, Some("55"))
    );
    assert_eq!(queue.cache.current().await.unwrap()[&index(10)], "55");
    assert!(queue.worker("worker").take(1).await.is_empty());
}

#[tokio::test]
async fn an_unlisted_index_with_a_cached_value_is_done() {
    let queue = TestQueue::start().await;
    // Text and packed, with an even and an odd number of digits.
    let lengths =
        [2, contract::MAX_WHOLE_DIGITS, contract::MAX_WHOLE_DIGITS + 1, 600, 100_000, 100_001];
    for (number, length) in (10..).zip(lengths) {
        let digits = &"1234567890".repeat(10_001)[..length];
        queue.calculate(number, digits).await;
        queue.command::<usize>(&["HDEL", "values", &number.to_string()]).await;
        let abbreviated = contract::abbreviate(digits).into_owned();
        assert_eq!(
            queue.submit_all([submission(number)]).await,
            [(SubmissionState::Done, Some(abbreviated))]
        );
    }
}

#[tokio::test]
async fn each_class_is_limited_to_its_share_of_the_queue() {
    let queue = TestQueue::with_capacity(200).await;
    let backfill = async |number: u64| {
        let mut backfilled = submission(number);
        queue.producer.backfill([&mut backfilled]).await.unwrap();
        backfilled.state
    };
    for number in 1..=50 {
        assert_eq!(backfill(number).await, SubmissionState::Queued);
        assert_eq!(queue.submit(1_000_000 + number).await, SubmissionState::Queued);
    }
    assert_eq!(backfill(51).await, SubmissionState::Stored);
    assert_eq!(queue.submit(1_000_051).await, SubmissionState::Stored);
    for number in 101..=200 {
        assert_eq!(queue.submit(number).await, SubmissionState::Queued);
    }
    assert_eq!(queue.submit(201).await, SubmissionState::Stored);
    assert_eq!(queue.queue_length().await, 200);
}

#[tokio::test]
async fn a_submission_replaces_a_waiting_repair_job() {
    let queue = TestQueue::start().await;
    let mut missing = [10, 20].map(submission);
    queue.producer.backfill(&mut missing).await.unwrap();
    assert_eq!(queue.submit(20).await, SubmissionState::Queued);
    let worker = queue.worker("worker");
    assert_eq!(indices(&worker.take(10).await), [Some(20)]);
    assert_eq!(indices(&worker.take(10).await), [Some(10)]);
    assert!(worker.take(10).await.is_empty());
}

#[tokio::test]
async fn a_submission_does_not_replace_a_delivered_repair_job() {
    let queue = TestQueue::start().await;
    queue.producer.backfill([&mut submission(10)]).await.unwrap();
    let worker = queue.worker("worker");
    let job = worker.take(1).await.remove(0);
    assert_eq!(queue.submit(10).await, SubmissionState::Pending);
    worker.complete(job, "55").await;
    assert_eq!(queue.queue_length().await, 0);
}

#[tokio::test]
async fn cached_data_that_is_not_a_value_counts_as_missing() {
    let queue = TestQueue::start().await;
    let (text, packed) = ([b'x'; 1_000], [0xff, 0xab].repeat(1_000));
    let marked_twice = [&[0xff; 2], &[0x12; 1_000][..]].concat();
    let with_nul = [&b"12\0"[..], &[b'1'; 1_000]].concat();
    let short = [&b"not a number"[..], b"", b"-1", b"1.5e+3", b"garbage (55 digits)", b"\xff\x12"];
    let long = [&text[..], &packed, &marked_twice, &with_nul];
    for (number, garbage) in (10..).zip(short.into_iter().chain(long)) {
        let key = format!("value:{number}");
        let write = async || queue.command::<String>(&[b"SET", key.as_bytes(), garbage]).await;
        write().await;
        let mut backfilled = submission(number);
        queue.producer.backfill([&mut backfilled]).await.unwrap();
        assert_eq!(
            (backfilled.state, backfilled.value),
            (SubmissionState::Queued, None),
            "{garbage:?}"
        );
        write().await;
        let submitted = queue.submit_all([submission(number)]).await;
        assert_eq!(submitted, [(SubmissionState::Queued, None)], "{garbage:?}");
        assert_eq!(queue.command::<usize>(&["STRLEN", &key]).await, 0, "{garbage:?}");
    }
}

#[tokio::test]
async fn a_cached_value_of_another_type_counts_as_missing() {
    let queue = TestQueue::start().await;
    queue.command::<usize>(&["RPUSH", "value:30", "a list"]).await;
    let announced = queue.producer.enqueue_announced(index(30), "").await.unwrap();
    assert_eq!(announced, SubmissionState::Queued);
}

#[tokio::test]
async fn a_duplicate_index_in_a_batch_is_queued_once() {
    let queue = TestQueue::start().await;
    let outcomes = queue.submit_all([7, 7, 8, 7].map(submission)).await;
    let states: Vec<_> = outcomes.into_iter().map(|(state, _)| state).collect();
    let (queued, pending) = (SubmissionState::Queued, SubmissionState::Pending);
    assert_eq!(states, [queued, pending, queued, pending]);
    assert_eq!(queue.command::<usize>(&["XLEN", "jobs"]).await, 2);
}

#[tokio::test]
async fn a_listed_index_has_the_id_of_its_newest_submission() {
    let queue = TestQueue::start().await;
    let batch = [(7, 11), (7, 14), (8, 13), (7, 12)];
    queue.submit_all(batch.map(|(number, id)| SubmitResponse { id, ..submission(number) })).await;
    assert_eq!(queue.command::<i64>(&["ZSCORE", "values:recent", "7"]).await, 14);
}

#[tokio::test]
async fn outcomes_of_a_batch_have_the_order_of_its_indices() {
    // Up to three small jobs.
    let queue = TestQueue::with_capacity(5).await;
    queue.calculate(10, "55").await;
    queue.submit(20).await;
    // The original writes to `values` too.
    queue.command::<usize>(&["HSET", "values", "30", "garbage", "40", "102334155"]).await;

    let outcomes = queue.submit_all([40, 5, 30, 20, 10, 6].map(submission)).await;
    let expected = [
        (SubmissionState::Done, Some("102334155".to_owned())),
        (SubmissionState::Queued, None),
        (SubmissionState::Queued, None),
        (SubmissionState::Pending, None),
        (SubmissionState::Done, Some("55".to_owned())),
        // The queue is full.
        (SubmissionState::Stored, None),
    ];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_batch_larger_than_one_script_is_enqueued() {
    let queue = TestQueue::with_capacity(10_000).await;
    let outcomes = queue.submit_all((0..5_000).map(submission)).await;
    assert_eq!(outcomes.len(), 5_000);
    assert!(outcomes.iter().all(|(state, _)| *state == SubmissionState::Queued));
    assert_eq!(queue.queue_length().await, 5_000);
}

#[tokio::test]
async fn an_index_was_accepted_if_any_key_has_it() {
    let queue = TestQueue::start().await;
    for (number, command) in [
        (1, ["SET", "value:1", "1", "NX"].as_slice()),
        (2, &["HSET", "values", "2", "Nothing yet!"]),
        (3, &["HSET", "jobs:queued", "3", "1-1"]),
        (4, &["HSET", "jobs:dead:indices", "4", "1-1"]),
    ] {
        assert!(!queue.producer.was_accepted(index(number)).await.unwrap(), "{number}");
        queue.command::<redis::Value>(command).await;
        assert!(queue.producer.was_accepted(index(number)).await.unwrap(), "{number}");
    }
}
