//! Tests of batches, their failures and shutdown, with a real Postgres and Redis.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::poll;
use queue::RedisClient;
use sqlx::postgres::PgConnectOptions;
use stack::testing::{Database, Private};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::committer::MAX_BATCH_SIZE;
use super::*;
use crate::{database, migrations};

type Response = Pin<Box<dyn Future<Output = Result<SubmitResponse, ApiError>>>>;

struct Fixture {
    submissions: Submissions,
    committer: Option<Committer>,
    database: Database,
    _redis: Private<stack::Redis>,
}

impl Fixture {
    async fn start() -> Self {
        let (database, redis) = (Database::new().unwrap(), stack::testing::redis().unwrap());
        let pool = database::lazy_pool(database.url().parse().unwrap(), 2);
        migrations::attempt(&database.url().parse().unwrap(), &[]).await.unwrap();
        let (submissions, committer) = submissions(pool, &redis.url());
        Self { submissions, committer: Some(committer), database, _redis: redis }
    }

    fn run_committer(&mut self) -> (CancellationToken, JoinHandle<()>) {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(self.committer.take().unwrap().run(shutdown.clone()));
        (shutdown, running)
    }

    /// Submits indices in this order, before the committer runs.
    async fn submit(&self, indices: impl IntoIterator<Item = u32>) -> Vec<Response> {
        let mut responses = Vec::new();
        for index in indices {
            responses.push(submit(&self.submissions, index).await);
        }
        responses
    }

    /// Number of rows that each transaction inserted.
    fn rows_by_transaction(&self) -> Vec<usize> {
        let counts =
            self.database.psql(r#"SELECT count(*) FROM "values" GROUP BY xmin::text"#).unwrap();
        counts.lines().map(|count| count.trim().parse().unwrap()).collect()
    }
}

fn submissions(pool: PgPool, redis_url: &str) -> (Submissions, Committer) {
    let redis = RedisClient::open(redis_url).unwrap();
    Submissions::new(pool, Producer::new(redis, 10_000))
}

/// Submits an index, and returns when the submission waits for the committer.
async fn submit(submissions: &Submissions, index: u32) -> Response {
    let request_id = format!("request-{index}");
    let index = Index::from_number(index.into(), Index::LARGEST).unwrap();
    let submissions = submissions.clone();
    let mut response: Response =
        Box::pin(async move { submissions.submit(index, &request_id, 0).await });
    assert!(poll!(&mut response).is_pending());
    response
}

#[tokio::test]
async fn pending_submissions_share_a_commit_and_each_gets_its_own_response() {
    let mut fixture = Fixture::start().await;
    let responses = fixture.submit(0..MAX_BATCH_SIZE as u32 + 44).await;
    let _committer = fixture.run_committer();
    let mut last_id = 0;
    for (index, response) in (0..).zip(join_all(responses).await) {
        let response = response.unwrap();
        assert_eq!(
            (response.index.get(), response.request_id),
            (index, format!("request-{index}"))
        );
        assert!(response.id > last_id, "{} after {last_id}", response.id);
        last_id = response.id;
    }
    let mut rows = fixture.rows_by_transaction();
    rows.sort_unstable();
    assert_eq!(rows, [44, MAX_BATCH_SIZE]);
}

#[tokio::test]
async fn a_failed_transaction_fails_its_batch_and_no_other() {
    let mut fixture = Fixture::start().await;
    fixture.database.psql(r#"ALTER TABLE "values" ADD CHECK (number <> 13)"#).unwrap();
    let responses = fixture.submit(0..MAX_BATCH_SIZE as u32 + 44).await;
    let _committer = fixture.run_committer();
    for (index, response) in join_all(responses).await.into_iter().enumerate() {
        assert_eq!(response.is_ok(), index >= MAX_BATCH_SIZE, "{index}");
    }
    assert_eq!(fixture.rows_by_transaction(), [44]);
}

#[tokio::test]
async fn shutdown_acknowledges_only_committed_submissions() {
    let mut fixture = Fixture::start().await;
    let responses = fixture.submit(0..MAX_BATCH_SIZE as u32 + 44).await;
    let (shutdown, running) = fixture.run_committer();
    shutdown.cancel();
    let acknowledged = join_all(responses).await.iter().filter(|response| response.is_ok()).count();
    running.await.unwrap();
    // After the drain timeout, committed submissions may get an error too.
    let rows = fixture.rows_by_transaction();
    assert!(rows.iter().sum::<usize>() >= acknowledged, "{rows:?}");
    assert!(rows.iter().all(|rows| *rows <= MAX_BATCH_SIZE), "{rows:?}");
}

#[tokio::test]
async fn an_unresponsive_postgres_does_not_delay_shutdown() {
    // Accepts connections and never responds.
    let unresponsive = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unresponsive.local_addr().unwrap().port();
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
    let (submissions, committer) =
        submissions(database::lazy_pool(options, 1), &format!("redis://127.0.0.1:{port}"));
    let mut responses = Vec::new();
    // Several batches, each of which waits for a connection.
    for index in 0..4 * MAX_BATCH_SIZE as u32 {
        responses.push(submit(&submissions, index).await);
    }
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(committer.run(shutdown.clone()));
    shutdown.cancel();
    let started = Instant::now();
    running.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(join_all(responses).await.iter().all(Result::is_err));
}
