//! Dead letters: jobs that were delivered too often.

use super::*;

/// As in `crates/queue/src/keys.rs`.
const MAX_DEAD_LETTERS: usize = 10_000;

impl TestQueue {
    /// Takes all `count` queued jobs and reclaims them until they are dead letters.
    async fn dead_letter(&self, count: usize) -> Vec<Job> {
        assert_eq!(self.worker("victim").take(10).await.len(), count);
        self.reclaim_until_dead_lettered(count).await
    }

    /// Reclaims delivered jobs, as if each worker died on its job, until `count` are dead letters.
    async fn reclaim_until_dead_lettered(&self, count: usize) -> Vec<Job> {
        let mut dead_lettered = Vec::new();
        while dead_lettered.len() < count {
            dead_lettered.extend(self.worker("next").reclaim(ANY_IDLE_TIME).await.dead_lettered);
        }
        dead_lettered
    }

    /// Adds the maximum number of dead letters.
    async fn fill_dead_letters(&self) {
        let mut commands = redis::pipe();
        for number in 1..=MAX_DEAD_LETTERS {
            let entry = format!("1-{number}");
            commands.xadd(
                "jobs:dead",
                &entry,
                &[("deliveries", "3"), ("index", &number.to_string())],
            );
            commands.hset("jobs:dead:indices", number, &entry);
        }
        commands.exec_async(&mut self.connect().await).await.unwrap();
    }

    /// Adds three entries: one with very many fields, one with very long fields and no valid index,
    /// and a normal job.
    async fn add_huge_entries(&self) {
        let mut many_fields = ["XADD", "jobs", "*"].map(str::to_owned).to_vec();
        many_fields.extend((0..20_000).map(|number| number.to_string()));
        many_fields.extend(["index", "10"].map(str::to_owned));
        self.command::<String>(&many_fields).await;
        let long = "x".repeat(5_000_000);
        self.command::<String>(&["XADD", "jobs", "*", "index", &long, &long, "1"]).await;
        self.submit(20).await;
    }
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_dead_lettered() {
    let queue = TestQueue::start().await;
    queue.submit(10).await;
    let mut deliveries = queue.worker("victim-1").take(1).await.len();
    for number in 2..=Consumer::MAX_DELIVERIES {
        let outcome = queue.worker(&format!("victim-{number}")).reclaim(ANY_IDLE_TIME).await;
        assert!(outcome.dead_lettered.is_empty());
        deliveries += outcome.claimed.len();
    }
    assert_eq!(deliveries, Consumer::MAX_DELIVERIES);

    let outcome = queue.worker("last").reclaim(ANY_IDLE_TIME).await;
    assert!(outcome.claimed.is_empty());
    assert_eq!(indices(&outcome.dead_lettered), [Some(10)]);
    let stats = queue.monitor.stats().await.unwrap();
    assert_eq!((stats.queue_length.jobs(), stats.dead_letters), (0, 1));
}

#[tokio::test]
async fn a_dead_letter_publishes_an_event() {
    let queue = TestQueue::start().await;
    queue.submit(10).await;
    let mut results = queue.subscribe().await;
    queue.dead_letter(1).await;
    let events = next_events(&mut results).await;
    assert!(matches!(&events[..], [QueueEvent::DeadLettered(event)] if event.index == index(10)));
}

#[tokio::test]
async fn a_dead_letter_blocks_only_its_own_index() {
    let queue = TestQueue::start().await;
    queue.submit(10).await;
    queue.dead_letter(1).await;
    assert_eq!(queue.submit(10).await, SubmissionState::DeadLettered);
    assert_eq!(queue.submit(20).await, SubmissionState::Queued);
    assert_eq!(indices(&queue.worker("last").take(10).await), [Some(20)]);
}

#[tokio::test]
async fn a_job_that_kills_its_workers_does_not_affect_other_jobs() {
    let queue = TestQueue::start().await;
    queue.submit_all([10, 20, 30].map(submission)).await;
    // One worker takes all three jobs and dies. Each worker that then reclaims index 10 dies too.
    assert_eq!(queue.worker("victim").take(3).await.len(), 3);
    let mut calculated = Vec::new();
    for number in 0..10 {
        let worker = queue.worker(&format!("worker-{number}"));
        while let Some(job) = worker.reclaim(ANY_IDLE_TIME).await.claimed.pop() {
            if job.index == Some(index(10)) {
                break;
            }
            calculated.push(job.index.unwrap().get());
            worker.complete(job, "1").await;
        }
    }
    assert_eq!(calculated, [20, 30]);
    assert_eq!(queue.monitor.stats().await.unwrap().dead_letters, 1);
}

#[tokio::test]
async fn only_the_newest_dead_letters_are_kept() {
    let queue = TestQueue::start().await;
    queue.fill_dead_letters().await;
    queue.submit(20_000).await;
    queue.dead_letter(1).await;
    assert_eq!(queue.monitor.stats().await.unwrap().dead_letters, MAX_DEAD_LETTERS as u64);
    assert_eq!(queue.command::<usize>(&["HLEN", "jobs:dead:indices"]).await, MAX_DEAD_LETTERS);
    assert_eq!(queue.submit(20_000).await, SubmissionState::DeadLettered);
}

#[tokio::test]
async fn an_index_can_be_queued_again_after_its_dead_letter_is_deleted() {
    let queue = TestQueue::start().await;
    queue.fill_dead_letters().await;
    assert_eq!(queue.submit(1).await, SubmissionState::DeadLettered);
    queue.submit(20_000).await;
    queue.dead_letter(1).await;
    assert_eq!(queue.submit(1).await, SubmissionState::Queued);
}

#[tokio::test]
async fn a_dead_letter_keeps_only_part_of_a_huge_entry() {
    let queue = TestQueue::start().await;
    queue.add_huge_entries().await;
    queue.dead_letter(3).await;
    let dead_letters: Vec<(String, Vec<String>)> =
        queue.command(&["XRANGE", "jobs:dead", "-", "+"]).await;
    assert_eq!(dead_letters.len(), 3);
    for (_, fields) in dead_letters {
        let size: usize = fields.iter().map(String::len).sum();
        assert!(size < 10_000, "{size}");
    }
}

#[tokio::test]
async fn dead_lettered_indices_omit_entries_without_a_valid_index() {
    let queue = TestQueue::start().await;
    queue.add_huge_entries().await;
    assert_eq!(indices(&queue.dead_letter(3).await), [Some(10), None, Some(20)]);
    let dead_lettered = queue.monitor.dead_lettered_indices().await.unwrap();
    assert_eq!(dead_lettered.into_iter().collect::<Vec<_>>(), [index(10), index(20)]);
    assert_eq!(queue.queue_length().await, 0);
}

#[tokio::test]
async fn dead_letters_are_listed_with_their_request_and_deliveries() {
    let queue = TestQueue::start().await;
    queue.submit(10).await;
    queue.dead_letter(1).await;
    let listed = DeadLetters::new(queue.redis.clone()).list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].index, listed[0].deliveries),
        (Some(index(10)), Consumer::MAX_DELIVERIES as u64)
    );
    assert_eq!(listed[0].request_id, "request-10");
}

#[tokio::test]
async fn an_index_can_be_queued_again_after_its_dead_letter_is_retried() {
    let queue = TestQueue::start().await;
    queue.submit(10).await;
    queue.dead_letter(1).await;
    let dead_letters = DeadLetters::new(queue.redis.clone());
    assert_eq!(dead_letters.retry(&[index(10), index(20)]).await.unwrap(), [index(10)]);
    assert!(dead_letters.list().await.unwrap().is_empty());
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
}

#[tokio::test]
async fn a_late_result_deletes_the_dead_letter() {
    let queue = TestQueue::start().await;
    let (slow, job) = queue.deliver(10, "slow").await;
    queue.reclaim_until_dead_lettered(1).await;
    slow.complete(job, "55").await;
    assert!(DeadLetters::new(queue.redis.clone()).list().await.unwrap().is_empty());
    assert!(queue.monitor.dead_lettered_indices().await.unwrap().is_empty());
}

#[tokio::test]
async fn retry_all_includes_dead_letters_of_foreign_entries() {
    let queue = TestQueue::start().await;
    let entry: [&[u8]; 7] = [b"XADD", b"jobs", b"*", b"index", b"\xff\xfe", b"\xff", b"\x00"];
    queue.command::<String>(&entry).await;
    queue.submit(10).await;
    queue.dead_letter(2).await;
    let dead_letters = DeadLetters::new(queue.redis.clone());
    assert_eq!(dead_letters.list().await.unwrap().len(), 2);
    assert_eq!(dead_letters.retry_all().await.unwrap(), 2);
    assert!(dead_letters.list().await.unwrap().is_empty());
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
}
