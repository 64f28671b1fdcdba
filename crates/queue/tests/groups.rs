//! What comes together: each submission gets its own answer and each result its own place, whatever stands beside it in the
//! group.
//!
//! What becomes of a job by itself is in `queue`.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::time::Duration;

use contract::{Index, SubmissionState};
use queue::{
    Cache, Channel, Connection, Consumer, Done, Event, Producer, Redis, Request, Shown, Subscription,
    now_micros,
};

/// For what is there already.
const BLOCK: Duration = Duration::from_millis(100);

fn request(number: u64, id: i64) -> Request {
    let index = Index::from_number(number, Index::LARGEST).unwrap();
    Request { index, id, request_id: format!("request-{id}"), received: 1, committed: 2 }
}

struct Queue {
    redis: Redis,
    producer: Producer,
    server: stack::testing::Private<stack::Redis>,
}

fn queue(room: usize) -> Queue {
    let server = stack::testing::redis().unwrap();
    let redis = Redis::open(&server.url()).unwrap();
    Queue { producer: Producer::new(redis.clone(), room), redis, server }
}

impl Queue {
    /// One worker, and its connection.
    async fn worker(&self) -> (Consumer, Connection) {
        let worker = Consumer::new(self.redis.clone(), "worker".to_owned());
        let mut connection = worker.connect(BLOCK).await.unwrap();
        worker.create_group(&mut connection).await.unwrap();
        (worker, connection)
    }

    async fn command<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }
}

#[tokio::test]
async fn an_index_that_is_twice_in_a_group_is_queued_once_and_is_as_new_as_its_newest_submission() {
    let queue = queue(100);
    let group = [request(7, 11), request(7, 14), request(8, 13), request(7, 12)];
    let states: Vec<SubmissionState> =
        queue.producer.submit(&group, true).await.unwrap().into_iter().map(|answer| answer.state).collect();
    assert_eq!(
        states,
        [
            SubmissionState::Queued,
            SubmissionState::Pending,
            SubmissionState::Queued,
            SubmissionState::Pending
        ]
    );
    let (jobs, newest): (usize, i64) =
        (queue.command(&["XLEN", "jobs"]).await, queue.command(&["ZSCORE", "values:recent", "7"]).await);
    assert_eq!((jobs, newest), (2, 14));
}

#[tokio::test]
async fn each_answer_of_a_group_is_that_of_its_own_index() {
    let queue = queue(3);
    let (worker, mut connection) = queue.worker().await;
    queue.producer.submit(&[request(10, 1), request(20, 2)], false).await.unwrap();
    let jobs = worker.take(&mut connection, 1, BLOCK).await.unwrap();
    let job = jobs.into_iter().next().unwrap();
    let index = job.index.unwrap();
    let done = Done { job, index, digits: "55".to_owned(), computed: now_micros() };
    worker.finish(&mut connection, &[done]).await.unwrap();
    // What an original part may have put there.
    let _: i32 = queue.command(&["HSET", "values", "30", "garbage", "40", "102334155"]).await;

    let group = [40, 5, 30, 20, 10, 6].map(|number| request(number, 3 + i64::try_from(number).unwrap()));
    let answers = queue.producer.submit(&group, true).await.unwrap();
    let answers: Vec<(SubmissionState, Option<&str>)> =
        answers.iter().map(|answer| (answer.state, answer.value.as_deref())).collect();
    let expected = [
        (SubmissionState::Done, Some("102334155")),
        (SubmissionState::Queued, None),
        (SubmissionState::Queued, None),
        (SubmissionState::Pending, None),
        (SubmissionState::Done, Some("55")),
        // There is no room for a fourth job.
        (SubmissionState::Stored, None),
    ];
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn a_group_may_be_of_any_size() {
    let queue = queue(10_000);
    let group: Vec<Request> = (0..5_000).map(|number| request(number, number as i64 + 1)).collect();
    let answers = queue.producer.submit(&group, true).await.unwrap();
    assert!(answers.len() == 5_000 && answers.iter().all(|answer| answer.state == SubmissionState::Queued));
    assert_eq!(Cache::new(queue.redis.clone()).stats().await.unwrap().queue, 5_000);
}

#[tokio::test]
async fn results_that_are_stored_together_go_where_each_belongs_and_take_their_own_jobs_out() {
    let queue = queue(100);
    let (worker, mut connection) = queue.worker().await;
    let numbers = [10, 20, 30, 40];
    queue.producer.submit(&numbers.map(|number| request(number, 1)), false).await.unwrap();
    let jobs = worker.take(&mut connection, numbers.len(), BLOCK).await.unwrap();
    // Since then the lists have come to 999 of their 1,000 entries, without three of these, and one was queued anew.
    let _: usize = queue.command(&["HDEL", "values", "10", "20", "30"]).await;
    let others: Vec<String> =
        (1_000..1_998).flat_map(|number| [number.to_string(), "1".to_owned()]).collect();
    let filled: Vec<&str> = ["HSET", "values"].into_iter().chain(others.iter().map(String::as_str)).collect();
    let _: usize = queue.command(&filled).await;
    let _: usize = queue.command(&["HSET", "jobs:queued", "30", "9-9"]).await;
    let mut results = Subscription::open(&queue.redis, Channel::Results).await.unwrap();

    let digits = ["55", "6765", "832040", "102334155"];
    let done: Vec<Done> = jobs
        .into_iter()
        .zip(digits)
        .map(|(job, digits)| Done {
            index: job.index.unwrap(),
            job,
            digits: digits.to_owned(),
            computed: now_micros(),
        })
        .collect();
    worker.finish(&mut connection, &done).await.unwrap();

    let shown: Vec<Option<String>> = queue.command(&["HMGET", "values", "10", "20", "30", "40"]).await;
    assert_eq!(shown, [Some("55".to_owned()), None, None, Some("102334155".to_owned())], "room for one more");
    let cache = Cache::new(queue.redis.clone());
    for (number, digits) in numbers.into_iter().zip(digits) {
        let index = Index::from_number(number, Index::LARGEST).unwrap();
        assert_eq!(cache.whole(index).await.unwrap(), Shown::Whole(digits.to_owned()));
    }
    let left: usize = queue.command(&["XLEN", "jobs"]).await;
    let queued: Vec<String> = queue.command(&["HGETALL", "jobs:queued"]).await;
    assert_eq!((left, queued), (0, vec!["30".to_owned(), "9-9".to_owned()]));
    let message = tokio::time::timeout(Duration::from_secs(10), results.next()).await.unwrap().unwrap();
    let told: Vec<(u32, String)> = Event::read(&message)
        .map(|event| match event {
            Some(Event::Value(value)) => (value.index.get(), value.value),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = numbers.into_iter().zip(digits).map(|(number, digits)| (number as u32, digits.to_owned()));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_value_that_redis_refuses_is_neither_announced_nor_is_its_job_done() {
    let queue = queue(100);
    let (worker, mut connection) = queue.worker().await;
    queue.producer.submit(&[request(10, 1)], false).await.unwrap();
    let job = worker.take(&mut connection, 1, BLOCK).await.unwrap().remove(0);
    let index = job.index.unwrap();
    let done = [Done { job, index, digits: "5".repeat(1_000_000), computed: now_micros() }];
    let mut results = Subscription::open(&queue.redis, Channel::Results).await.unwrap();

    let _: String = queue.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(worker.finish(&mut connection, &done).await.is_err());
    let _: String = queue.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let left: (usize, String, usize) = (
        queue.command(&["XLEN", "jobs"]).await,
        queue.command(&["HGET", "values", "10"]).await,
        queue.command(&["EXISTS", "value:10"]).await,
    );
    assert_eq!(left, (1, "Nothing yet!".to_owned(), 0));

    worker.finish(&mut connection, &done).await.unwrap();
    let shown = Cache::new(queue.redis.clone()).whole(index).await.unwrap();
    assert!(matches!(shown, Shown::Whole(digits) if digits == done[0].digits));
    let message = tokio::time::timeout(Duration::from_secs(10), results.next()).await.unwrap().unwrap();
    assert_eq!(Event::read(&message).count(), 1, "once: {message}");
}
