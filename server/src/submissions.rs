//! Committing submissions to Postgres and pushing them to Redis, in groups.
//!
//! Requests that arrive while a statement is under way share the next one: under load hundreds share one commit,
//! and a single request never waits for others to come. An index is answered after its commit, never before. When
//! Redis is away the answer is the same but for its state: `reconcile` pushes the index later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contract::{Hops, Index, SubmissionState, SubmitResponse};
use queue::{Enqueued, Producer, Request, now_micros};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::database::Submitting;
use crate::error::Error;

/// Submissions that share one statement at most; more only makes each wait longer.
const GROUP: usize = 256;
/// Submissions that may wait for the next statement; beyond, a request is refused at once.
const WAITING: usize = 8_192;

/// A Postgres that takes longer for a statement is away, whatever its connection says.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what was handed in may still take when no more is: a process that stops has 4.5 s, and most of them went to its
/// connections.
const LAST: Duration = Duration::from_millis(400);

/// Where requests hand in their indices.
#[derive(Clone)]
pub(crate) struct Submissions {
    sender: mpsc::Sender<Waiting>,
    producer: Producer,
    max_queue: u64,
    under_way: Arc<AtomicU64>,
}

/// The other end, to be run as a task.
pub(crate) struct Committer {
    receiver: mpsc::Receiver<Waiting>,
    database: Submitting,
    producer: Producer,
}

struct Waiting {
    index: Index,
    request_id: String,
    edge: u64,
    received: u64,
    answer: oneshot::Sender<Result<SubmitResponse, Error>>,
    _place: Option<Place>,
}

/// The place in the queue of a submission that may become a job and is not yet among those that Redis counts.
pub(crate) struct Place(Arc<AtomicU64>);

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever sees that it is gone sees what Redis counted.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Submissions {
    /// The two ends, for a queue of at most `max_queue` jobs.
    pub(crate) fn new(pool: PgPool, producer: Producer, max_queue: usize) -> (Self, Committer) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (max_queue, under_way) = (max_queue as u64, Arc::default());
        (
            Self { sender, producer: producer.clone(), max_queue, under_way },
            Committer { receiver, database: Submitting::new(pool), producer },
        )
    }

    /// A place, unless what is in the queue and what is on its way there leave no room. What other apis have on its way is not
    /// known here; the queue itself stays within its bound all the same.
    pub(crate) fn place(&self) -> Option<Place> {
        let one_more =
            |under_way| (self.producer.waiting() + under_way < self.max_queue).then_some(under_way + 1);
        let taken = self.under_way.fetch_update(Ordering::Relaxed, Ordering::Acquire, one_more);
        taken.is_ok().then(|| Place(Arc::clone(&self.under_way)))
    }

    /// Returns when the index is committed and Redis has been tried. One that makes no work needs no place.
    ///
    /// `edge` is when the edge passed it on, in microseconds since the Unix epoch; 0 when that is not known.
    pub(crate) async fn submit(
        &self,
        place: Option<Place>,
        index: Index,
        request_id: String,
        edge: u64,
    ) -> Result<SubmitResponse, Error> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { index, request_id, edge, received: now_micros(), answer, _place: place };
        self.sender.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::queue_full(),
            mpsc::error::TrySendError::Closed(_) => Error::stopping(),
        })?;
        answered.await.unwrap_or_else(|_| Err(Error::stopping()))
    }
}

impl Committer {
    /// Runs until every [`Submissions`] is gone, or `cut_off` says that no more are taken, and what was handed in
    /// is answered: with [`Error::stopping`] where it takes too long.
    pub(crate) async fn run(self, cut_off: CancellationToken) {
        let too_late = async {
            cut_off.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            () = self.commit_all(&cut_off) => {}
            () = too_late => tracing::warn!("stopping before all submissions were committed; they were not acknowledged"),
        }
    }

    async fn commit_all(mut self, cut_off: &CancellationToken) {
        let pushes = TaskTracker::new();
        let mut group = Vec::with_capacity(GROUP);
        loop {
            let taken = cut_off.run_until_cancelled(self.receiver.recv_many(&mut group, GROUP)).await;
            if taken.is_none() {
                // What was handed in is still there to be received, a group at a time.
                self.receiver.close();
                self.receiver.recv_many(&mut group, GROUP).await;
            }
            if group.is_empty() {
                break;
            }
            self.commit(std::mem::take(&mut group), &pushes).await;
        }
        pushes.close();
        pushes.wait().await;
    }

    async fn commit(&mut self, group: Vec<Waiting>, pushes: &TaskTracker) {
        let indices: Vec<Index> = group.iter().map(|waiting| waiting.index).collect();
        let started = Instant::now();
        let inserted = tokio::time::timeout(PATIENCE, self.database.insert(&indices)).await;
        match inserted.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(ids) => {
                metrics::counter!("submissions_total").increment(ids.len() as u64);
                metrics::histogram!("commit_seconds").record(started.elapsed().as_secs_f64());
                // The next group is committed while this one is pushed.
                pushes.spawn(push(self.producer.clone(), group, ids, now_micros()));
            }
            Err(error) => {
                let error = Arc::new(error);
                for waiting in group {
                    // Who has gone away needs no answer.
                    let _ = waiting.answer.send(Err(Error::from(Arc::clone(&error))));
                }
            }
        }
    }
}

async fn push(producer: Producer, group: Vec<Waiting>, ids: Vec<i64>, committed: u64) {
    let requests: Vec<Request> = group
        .iter()
        .zip(&ids)
        .map(|(waiting, &id)| Request {
            index: waiting.index,
            id,
            request_id: waiting.request_id.clone(),
            received: waiting.received,
            committed,
        })
        .collect();
    let enqueued = producer.submit(&requests, true).await.unwrap_or_else(|error| {
        tracing::warn!(%error, submissions = requests.len(), "not pushed yet: safe in Postgres");
        vec![Enqueued { state: SubmissionState::Stored, value: None }; requests.len()]
    });
    for ((waiting, request), enqueued) in group.into_iter().zip(requests).zip(enqueued) {
        let Request { index, id, request_id, received, committed } = request;
        tracing::info!(request_id, id, index = index.get(), state = ?enqueued.state, "submitted");
        let Enqueued { state, value } = enqueued;
        let hops = Hops { edge: waiting.edge, received, committed, ..Hops::default() };
        let _ = waiting.answer.send(Ok(SubmitResponse {
            working: true,
            id,
            index,
            state,
            value,
            request_id,
            hops,
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::future::join_all;
    use futures_util::poll;
    use sqlx::postgres::PgConnectOptions;
    use tokio::net::TcpListener;

    use super::*;
    use crate::database;

    #[tokio::test]
    async fn a_postgres_that_says_nothing_does_not_hold_up_the_end() {
        // Takes connections, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let pool = database::connect(PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port), 1);
        let redis = queue::Redis::open(&format!("redis://127.0.0.1:{port}")).unwrap();
        let (submissions, committer) = Submissions::new(pool, Producer::new(redis, 10_000), 10_000);
        let index = Index::from_number(7, Index::LARGEST).unwrap();
        // Several groups, each of which takes as long as a connection is waited for.
        let answers: Vec<_> = (0..4 * GROUP)
            .map(|_| {
                let submissions = submissions.clone();
                tokio::spawn(
                    async move { submissions.submit(submissions.place(), index, String::new(), 0).await },
                )
            })
            .collect();
        let cut_off = CancellationToken::new();
        let running = tokio::spawn(committer.run(cut_off.clone()));
        let all_handed_in = async {
            while submissions.under_way.load(Ordering::Relaxed) < 4 * GROUP as u64 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all_handed_in).await.unwrap();
        cut_off.cancel();
        let told = Instant::now();
        running.await.unwrap();
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
        for answer in answers {
            assert!(answer.await.unwrap().is_err());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_places_are_given_than_there_are_however_many_ask_at_once() {
        let pool = database::connect(PgConnectOptions::new_without_pgpass(), 1);
        let producer = Producer::new(queue::Redis::open("redis://127.0.0.1:1").unwrap(), 20);
        let (submissions, _committer) = Submissions::new(pool, producer.clone(), 20);
        producer.note_waiting(3);
        for _ in 0..1_000 {
            let together = std::sync::Barrier::new(4);
            let places = std::thread::scope(|scope| {
                let ask = || {
                    together.wait();
                    (0..10).filter_map(|_| submissions.place()).collect::<Vec<_>>()
                };
                let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(places.len(), 17);
        }
        assert!(submissions.place().is_some(), "places are given back");
    }

    /// Hands indices in, in this order, without running anything else meanwhile.
    async fn hand_in(
        submissions: &Submissions,
        numbers: impl Iterator<Item = u64>,
    ) -> Vec<impl Future<Output = Result<SubmitResponse, Error>>> {
        let mut handed_in = Vec::new();
        for number in numbers {
            let index = Index::from_number(number, Index::LARGEST).unwrap();
            let submissions = submissions.clone();
            let mut answer =
                Box::pin(
                    async move { submissions.submit(None, index, format!("request-{number}"), 0).await },
                );
            assert!(poll!(&mut answer).is_pending());
            handed_in.push(answer);
        }
        handed_in
    }

    #[tokio::test]
    async fn a_group_shares_one_transaction_and_its_failure_and_the_next_group_knows_nothing_of_it() {
        let (server, redis) = (stack::testing::Database::new().unwrap(), stack::testing::redis().unwrap());
        let pool = database::connect(server.url().parse().unwrap(), 2);
        database::MIGRATIONS.run(&pool).await.unwrap();
        server.psql(r#"ALTER TABLE "values" ADD CHECK (number <> 13)"#).unwrap();
        let producer = Producer::new(queue::Redis::open(&redis.url()).unwrap(), 10_000);
        let (submissions, committer) = Submissions::new(pool, producer, 10_000);

        let count = GROUP as u64 + 44;
        let answers = hand_in(&submissions, 0..count).await;
        let cut_off = CancellationToken::new();
        let running = tokio::spawn(committer.run(cut_off.clone()));
        let mut ids = Vec::new();
        for (number, answer) in (0..count).zip(join_all(answers).await) {
            match answer {
                // The 13 is among the first.
                Err(_) => assert!(number < GROUP as u64, "{number}"),
                Ok(submitted) => {
                    assert_eq!(
                        (submitted.index.get().into(), &*submitted.request_id),
                        (number, &*format!("request-{number}"))
                    );
                    ids.push(submitted.id);
                }
            }
        }
        assert_eq!(ids.len(), 44);
        assert!(ids.is_sorted(), "ids are given in the order of the submissions");
        let transactions =
            server.psql(r#"SELECT count(*), count(DISTINCT xmin::text) FROM "values""#).unwrap();
        assert_eq!(transactions.trim(), "44|1");

        // What is handed in before no more is taken is committed as far as there is time, a group at a time.
        let answers = hand_in(&submissions, 14..14 + count).await;
        cut_off.cancel();
        let acknowledged = join_all(answers).await.iter().filter(|answer| answer.is_ok()).count();
        running.await.unwrap();
        let transactions = r#"SELECT sum(rows) >= {} AND max(rows) <= {} FROM
            (SELECT count(*) AS rows FROM "values" GROUP BY xmin::text) AS transactions"#;
        let transactions = transactions.replacen("{}", &(44 + acknowledged).to_string(), 1);
        let transactions = transactions.replacen("{}", &GROUP.to_string(), 1);
        assert_eq!(server.psql(&transactions).unwrap().trim(), "t");
    }
}
