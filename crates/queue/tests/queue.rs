//! The queue's promises, on a real Redis for each test: taken by one, redelivered, given up, never twice.
//!
//! Consumers here are library calls and calculate nothing; worker processes are tested in `worker`.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::time::Duration;

use contract::{Index, SubmissionState};
use queue::{
    Cache, Channel, Consumer, Done, Error, Event, Job, Producer, Reclaimed, Redis, Request, Shown,
    Subscription, now_micros,
};
use stack::testing::Private;

const BLOCK: Duration = Duration::from_millis(100);
/// So short that every job that is not finished counts as abandoned.
const AT_ONCE: Duration = Duration::ZERO;

struct Queue {
    redis: Redis,
    producer: Producer,
    cache: Cache,
    server: Private<stack::Redis>,
}

impl Queue {
    async fn start() -> Self {
        let server = stack::testing::redis().unwrap();
        let redis = Redis::open(&server.url()).unwrap();
        let queue = Self {
            producer: Producer::new(redis.clone(), 100),
            cache: Cache::new(redis.clone()),
            redis,
            server,
        };
        create_group(&queue.consumer("maker")).await;
        queue
    }

    fn consumer(&self, name: &str) -> Consumer {
        Consumer::new(self.redis.clone(), name.to_owned())
    }

    async fn submit(&self, number: u64) -> SubmissionState {
        self.producer.submit(&[request(number)], true).await.unwrap()[0].state
    }
}

fn index(number: u64) -> Index {
    Index::from_number(number, Index::LARGEST).unwrap()
}

fn request(number: u64) -> Request {
    let id = i64::try_from(number).unwrap();
    Request { index: index(number), id, request_id: format!("request-{number}"), received: 1, committed: 2 }
}

/// Repeats `attempt` until it succeeds, for a bounded time.
async fn soon<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let bounded = tokio::time::timeout(Duration::from_secs(10), async {
        let mut attempts = tokio::time::interval(Duration::from_millis(10));
        loop {
            attempts.tick().await;
            if let Some(success) = attempt().await {
                return success;
            }
        }
    });
    bounded.await.expect("waited in vain")
}

async fn take(consumer: &Consumer, count: usize) -> Vec<Job> {
    let mut connection = consumer.connect(BLOCK).await.unwrap();
    consumer.take(&mut connection, count, BLOCK).await.unwrap()
}

async fn create_group(consumer: &Consumer) {
    let mut connection = consumer.connect(BLOCK).await.unwrap();
    consumer.create_group(&mut connection).await.unwrap();
}

async fn reclaim(consumer: &Consumer, silence: Duration) -> Result<Reclaimed, Error> {
    let mut connection = consumer.connect(BLOCK).await.unwrap();
    consumer.reclaim(&mut connection, silence).await
}

async fn finish(consumer: &Consumer, job: Job, digits: &str) {
    let mut connection = consumer.connect(BLOCK).await.unwrap();
    let done = Done { index: job.index.unwrap(), job, digits: digits.to_owned(), computed: now_micros() };
    consumer.finish(&mut connection, &[done]).await.unwrap();
}

async fn next_event(subscription: &mut Subscription) -> Event {
    let message = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await.unwrap().unwrap();
    Event::read(&message).next().unwrap().unwrap()
}

#[tokio::test]
async fn a_job_is_given_to_one_worker_and_is_gone_when_it_is_finished() {
    let queue = Queue::start().await;
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
    let (one, other) = (queue.consumer("one"), queue.consumer("other"));
    let jobs = take(&one, 10).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].index, jobs[0].request_id.as_str()), (Some(index(10)), "request-10"));
    assert_eq!((jobs[0].hops.received, jobs[0].hops.committed), (1, 2));
    assert!(take(&other, 10).await.is_empty());
    assert_eq!(queue.cache.stats().await.unwrap().queue, 1);

    finish(&one, jobs[0].clone(), "55").await;
    assert_eq!(queue.cache.stats().await.unwrap().queue, 0);
    assert_eq!(queue.cache.whole(index(10)).await.unwrap(), Shown::Whole("55".to_owned()));
    assert_eq!(queue.submit(10).await, SubmissionState::Done);
}

#[tokio::test]
async fn a_placeholder_that_comes_after_the_result_does_not_overwrite_it() {
    let queue = Queue::start().await;
    // The job was taken and finished between the server's push and its repetition by reconciliation.
    queue.submit(10).await;
    let worker = queue.consumer("worker");
    let jobs = take(&worker, 1).await;
    finish(&worker, jobs[0].clone(), "55").await;
    for announce in [true, false] {
        let answers = queue.producer.submit(&[request(10)], announce).await.unwrap();
        assert_eq!((answers[0].state, answers[0].value.as_deref()), (SubmissionState::Done, Some("55")));
    }
    assert_eq!(queue.cache.current().await.unwrap()[&index(10)], "55");
    assert!(take(&worker, 1).await.is_empty());
}

#[tokio::test]
async fn a_finished_job_may_be_finished_again_and_is_announced_once() {
    let queue = Queue::start().await;
    let mut results = Subscription::open(&queue.redis, Channel::Results).await.unwrap();
    queue.submit(10).await;
    assert!(matches!(next_event(&mut results).await, Event::Seen(seen) if seen.index == index(10)));
    let (slow, quick) = (queue.consumer("slow"), queue.consumer("quick"));
    let job = take(&slow, 1).await.remove(0);
    let taken = reclaim(&quick, AT_ONCE).await.unwrap().taken;
    assert_eq!(taken.len(), 1);
    finish(&quick, taken[0].clone(), "55").await;
    finish(&slow, job, "55").await;
    queue.submit(20).await;

    let Event::Value(value) = next_event(&mut results).await else { panic!("a value was expected") };
    assert_eq!((value.index, value.worker.as_str(), value.value.as_str()), (index(10), "quick", "55"));
    assert!(value.hops.stored >= value.hops.pushed && value.hops.pushed > 0);
    assert!(matches!(next_event(&mut results).await, Event::Seen(seen) if seen.index == index(20)));
}

#[tokio::test]
async fn a_value_of_any_length_is_kept_whole_when_it_is_announced() {
    let queue = Queue::start().await;
    let mut results = Subscription::open(&queue.redis, Channel::Results).await.unwrap();
    let worker = queue.consumer("one");
    for (number, length) in [(1_000, 64 * 1024), (1_001, 64 * 1024 + 1), (1_002, 2_000_000)] {
        queue.producer.submit(&[request(number)], false).await.unwrap();
        let (job, digits) = (take(&worker, 1).await.remove(0), "7".repeat(length));
        finish(&worker, job, &digits).await;
        assert!(
            matches!(next_event(&mut results).await, Event::Value(value) if value.index == index(number))
        );
        // Not by `assert_eq`, which would print both.
        assert!(queue.cache.whole(index(number)).await.unwrap() == Shown::Whole(digits), "{length}");
    }
}

#[tokio::test]
async fn a_job_is_not_taken_from_a_worker_that_gives_signs_of_life() {
    let queue = Queue::start().await;
    queue.submit(10).await;
    let (alive, other) = (queue.consumer("alive"), queue.consumer("other"));
    let job = take(&alive, 1).await.remove(0);
    let silence = Duration::from_millis(300);
    let mut signs = tokio::time::interval(Duration::from_millis(30));
    for _ in 0..20 {
        signs.tick().await;
        alive.beat(std::slice::from_ref(&job.entry)).await.unwrap();
        assert!(reclaim(&other, silence).await.unwrap().taken.is_empty());
    }
    // Silent from here on.
    let taken = soon(async || reclaim(&other, silence).await.unwrap().taken.pop()).await;
    assert_eq!(taken.entry, job.entry);
    // A late sign of life does not take the job back.
    alive.beat(std::slice::from_ref(&job.entry)).await.unwrap();
    assert!(reclaim(&other, silence).await.unwrap().taken.is_empty());
}

#[tokio::test]
async fn a_job_that_kills_its_workers_becomes_a_dead_letter_and_does_not_block_others() {
    let queue = Queue::start().await;
    let mut results = Subscription::open(&queue.redis, Channel::Results).await.unwrap();
    queue.submit(10).await;
    next_event(&mut results).await;
    let mut deliveries = take(&queue.consumer("victim-1"), 1).await.len();
    for victim in 2..=Consumer::DELIVERIES {
        let reclaimed = reclaim(&queue.consumer(&format!("victim-{victim}")), AT_ONCE).await.unwrap();
        assert!(reclaimed.buried.is_empty());
        deliveries += reclaimed.taken.len();
    }
    assert_eq!(deliveries, Consumer::DELIVERIES);

    let last = reclaim(&queue.consumer("last"), AT_ONCE).await.unwrap();
    assert!(last.taken.is_empty());
    assert_eq!(last.buried.iter().map(|job| job.index).collect::<Vec<_>>(), [Some(index(10))]);
    let stats = queue.cache.stats().await.unwrap();
    assert_eq!((stats.queue, stats.dead_letters), (0, 1));
    assert!(
        matches!(next_event(&mut results).await, Event::DeadLettered(failed) if failed.index == index(10))
    );
    assert_eq!(queue.submit(10).await, SubmissionState::DeadLettered);
    assert_eq!(queue.submit(20).await, SubmissionState::Queued);
    assert_eq!(take(&queue.consumer("last"), 10).await[0].index, Some(index(20)));
}

#[tokio::test]
async fn a_job_that_kills_its_workers_takes_no_other_job_with_it() {
    let queue = Queue::start().await;
    for number in [10, 20, 30] {
        queue.submit(number).await;
    }
    // A worker took all three and died on the first, and so does every worker that takes it over.
    assert_eq!(take(&queue.consumer("victim"), 3).await.len(), 3);
    let mut finished = Vec::new();
    for worker in 0..10 {
        let worker = queue.consumer(&format!("worker-{worker}"));
        while let Some(job) = reclaim(&worker, AT_ONCE).await.unwrap().taken.pop() {
            if job.index == Some(index(10)) {
                break;
            }
            finished.push(job.index.unwrap().get());
            finish(&worker, job, "1").await;
        }
    }
    assert_eq!(finished, [20, 30]);
    assert_eq!(queue.cache.stats().await.unwrap().dead_letters, 1);
}

#[tokio::test]
async fn a_known_index_that_lists_no_longer_show_is_known_all_the_same() {
    let queue = Queue::start().await;
    let worker = queue.consumer("worker");
    // Text and packed, an even and an odd number of digits.
    let lengths = [2, contract::WHOLE_DIGITS, contract::WHOLE_DIGITS + 1, 600, 100_000, 100_001];
    for (number, length) in (10..).zip(lengths) {
        let digits = "1234567890".repeat(10_001)[..length].to_owned();
        queue.submit(number).await;
        let job = take(&worker, 1).await.remove(0);
        finish(&worker, job, &digits).await;
        let client = redis::Client::open(queue.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("HDEL").arg("values").arg(number).exec_async(&mut connection).await.unwrap();
        let answer = queue.producer.submit(&[request(number)], true).await.unwrap().remove(0);
        assert_eq!(
            (answer.state, answer.value.as_deref()),
            (SubmissionState::Done, Some(&*contract::abbreviate(&digits)))
        );
    }
}

#[tokio::test]
async fn a_worker_that_leaves_again_and_again_does_not_make_a_dead_letter() {
    let queue = Queue::start().await;
    queue.submit(10).await;
    let mut job = take(&queue.consumer("first"), 1).await.remove(0);
    let mut holder = queue.consumer("first");
    for next in 0..2 * Consumer::DELIVERIES {
        holder.leave(std::slice::from_ref(&job.entry)).await.unwrap();
        holder = queue.consumer(&format!("next-{next}"));
        job = reclaim(&holder, Consumer::SILENCE).await.unwrap().taken.remove(0);
    }
    assert_eq!(queue.cache.stats().await.unwrap().dead_letters, 0);
}

#[tokio::test]
async fn a_worker_that_leaves_gives_its_jobs_back_at_once() {
    let queue = Queue::start().await;
    queue.submit(10).await;
    let (leaving, staying) = (queue.consumer("leaving"), queue.consumer("staying"));
    let job = take(&leaving, 1).await.remove(0);
    leaving.beat(std::slice::from_ref(&job.entry)).await.unwrap();
    assert_eq!(queue.cache.stats().await.unwrap().workers, 1);
    leaving.leave(std::slice::from_ref(&job.entry)).await.unwrap();
    assert_eq!(queue.cache.stats().await.unwrap().workers, 0);
    assert_eq!(reclaim(&staying, Consumer::SILENCE).await.unwrap().taken[0].entry, job.entry);
}

#[tokio::test]
async fn the_queue_holds_no_more_than_its_bound() {
    let queue = Queue::start().await;
    let requests: Vec<_> = (1..=101).map(request).collect();
    let answers = queue.producer.submit(&requests, true).await.unwrap();
    assert_eq!(answers[99].state, SubmissionState::Queued);
    assert_eq!(answers[100].state, SubmissionState::Stored);
    assert_eq!(queue.cache.stats().await.unwrap().queue, 100);
}

#[tokio::test]
async fn a_lost_group_is_told_and_made_again_with_what_is_in_the_stream() {
    let queue = Queue::start().await;
    let worker = queue.consumer("worker");
    let mut connection = worker.connect(BLOCK).await.unwrap();
    queue.server.restart_empty().unwrap();
    let mut connection_again = soon(async || worker.connect(BLOCK).await.ok()).await;
    assert!(worker.take(&mut connection, 1, BLOCK).await.is_err());
    soon(async || queue.producer.submit(&[request(10)], true).await.ok()).await;
    assert!(matches!(worker.take(&mut connection_again, 1, BLOCK).await, Err(Error::NoGroup)));
    assert!(matches!(reclaim(&worker, AT_ONCE).await, Err(Error::NoGroup)));
    create_group(&worker).await;
    create_group(&worker).await;
    assert_eq!(worker.take(&mut connection_again, 1, BLOCK).await.unwrap()[0].index, Some(index(10)));
}

#[tokio::test]
async fn an_address_that_is_not_one_is_a_configuration_error() {
    for address in ["", "localhost", "http://localhost", "redis://localhost:port"] {
        assert!(matches!(Redis::open(address), Err(Error::Address(_))), "{address:?}");
    }
}

#[tokio::test]
async fn dead_letters_are_bounded_and_an_index_that_makes_room_may_be_tried_again() {
    let queue = Queue::start().await;
    let client = redis::Client::open(queue.server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut letters = redis::pipe();
    for number in 1..=10_000 {
        letters.xadd(
            "jobs:dead",
            format!("1-{number}"),
            &[("deliveries", "3"), ("index", &number.to_string())],
        );
        letters.hset("jobs:dead:indices", number, format!("1-{number}"));
    }
    letters.exec_async(&mut connection).await.unwrap();
    assert_eq!(queue.submit(1).await, SubmissionState::DeadLettered);

    queue.submit(20_000).await;
    take(&queue.consumer("victim"), 1).await;
    while reclaim(&queue.consumer("next"), AT_ONCE).await.unwrap().buried.is_empty() {}
    assert_eq!(queue.cache.stats().await.unwrap().dead_letters, 10_000);
    let indices: usize =
        redis::cmd("HLEN").arg("jobs:dead:indices").query_async(&mut connection).await.unwrap();
    assert_eq!(indices, 10_000);
    assert_eq!(queue.submit(20_000).await, SubmissionState::DeadLettered);
    assert_eq!(queue.submit(1).await, SubmissionState::Queued);
}

/// Sends a command, as any other program may.
async fn command<T: redis::FromRedisValue>(queue: &Queue, command: &[impl redis::ToRedisArgs + Sync]) -> T {
    let client = redis::Client::open(queue.server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::Cmd::new().arg(command).query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn an_entry_that_is_not_text_is_not_the_trouble_of_those_taken_with_it() {
    let queue = Queue::start().await;
    queue.submit(10).await;
    let entry: [&[u8]; 9] =
        [b"XADD", b"jobs", b"*", b"index", b"11", b"request_id", b"\xff\xfe", b"\xff", b"\x00"];
    command::<String>(&queue, &entry).await;
    let entry: [&[u8]; 5] = [b"XADD", b"jobs", b"*", b"index", b"\xff\xfe"];
    command::<String>(&queue, &entry).await;
    queue.submit(20).await;
    let jobs = take(&queue.consumer("worker"), 10).await;
    let indices: Vec<_> = jobs.iter().map(|job| job.index).collect();
    assert_eq!(indices, [Some(index(10)), Some(index(11)), None, Some(index(20))]);
    assert_eq!(jobs[1].request_id, "");
}

#[tokio::test]
async fn an_entry_of_any_size_becomes_a_dead_letter_of_bounded_size() {
    let queue = Queue::start().await;
    let huge = "x".repeat(5_000_000);
    let mut many = vec!["XADD".to_owned(), "jobs".to_owned(), "*".to_owned()];
    many.extend((0..20_000).map(|number| number.to_string()));
    many.extend(["index", "10"].map(str::to_owned));
    command::<String>(&queue, &many).await;
    command::<String>(&queue, &["XADD", "jobs", "*", "index", &huge, &huge, "1"]).await;
    queue.submit(20).await;
    assert_eq!(take(&queue.consumer("worker"), 10).await.len(), 3);
    let mut buried = Vec::new();
    while buried.len() < 3 {
        buried.extend(reclaim(&queue.consumer("next"), AT_ONCE).await.unwrap().buried);
    }
    let indices: Vec<_> = buried.iter().map(|job| job.index).collect();
    assert_eq!(indices, [Some(index(10)), None, Some(index(20))]);
    let letters: Vec<(String, Vec<String>)> = command(&queue, &["XRANGE", "jobs:dead", "-", "+"]).await;
    for (_, fields) in letters {
        let size: usize = fields.iter().map(String::len).sum();
        assert!(size < 10_000, "{size}");
    }
    let given_up: Vec<_> = queue.cache.given_up().await.unwrap().into_iter().collect();
    assert_eq!(given_up, [index(10), index(20)]);
    assert_eq!(queue.cache.stats().await.unwrap().queue, 0);
}

#[tokio::test]
async fn what_is_kept_of_a_value_and_is_none_is_as_good_as_nothing() {
    let queue = Queue::start().await;
    let (long, packed) = ([b'x'; 1_000], [0xff, 0xab].repeat(1_000));
    let marked_twice = [&[0xff; 2], &[0x12; 1_000][..]].concat();
    let short = [&b"not a number"[..], b"", b"-1", b"1.5e+3", b"garbage (55 digits)", b"\xff\x12"];
    for (number, garbage) in (10..).zip(short.into_iter().chain([&long[..], &packed, &marked_twice])) {
        let key = format!("value:{number}");
        for mode in 0..2 {
            command::<String>(&queue, &[b"SET", key.as_bytes(), garbage]).await;
            let answers = match mode {
                0 => queue.producer.ensure(&[request(number)]).await.unwrap(),
                _ => queue.producer.submit(&[request(number)], true).await.unwrap(),
            };
            assert_eq!(
                answers[0].state,
                [SubmissionState::Queued, SubmissionState::Pending][mode],
                "{garbage:?}"
            );
            assert_eq!(answers[0].value, None);
        }
        assert_eq!(command::<usize>(&queue, &["STRLEN", &key]).await, 0, "{garbage:?}");
    }
    command::<usize>(&queue, &["RPUSH", "value:30", "a list"]).await;
    assert_eq!(queue.producer.adopt(&[index(30)], "").await.unwrap()[0].state, SubmissionState::Queued);
}

#[tokio::test]
async fn an_index_is_not_in_the_queue_when_its_job_is_gone() {
    let queue = Queue::start().await;
    for number in [10, 20] {
        queue.submit(number).await;
    }
    command::<usize>(&queue, &["XTRIM", "jobs", "MAXLEN", "1"]).await;
    assert_eq!(queue.cache.mend().await.unwrap(), ["jobs:queued"]);
    assert!(queue.cache.mend().await.unwrap().is_empty());
    assert_eq!(queue.submit(10).await, SubmissionState::Queued);
    assert_eq!(queue.submit(20).await, SubmissionState::Pending);
    let jobs = take(&queue.consumer("worker"), 10).await;
    assert_eq!(jobs.iter().map(|job| job.index).collect::<Vec<_>>(), [Some(index(20)), Some(index(10))]);
}
