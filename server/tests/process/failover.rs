//! A Postgres or a Redis that is there and refuses writes: a primary that was demoted, a standby.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stack::{Proxy, eventually, lock};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::*;

/// From the moment that the address leads to the new primary.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);
const SUBMIT_INTERVAL: Duration = Duration::from_millis(10);

/// Submissions one after the other, until they are stopped.
struct Submitter {
    acknowledged: Arc<Mutex<BTreeMap<i64, u32>>>,
    /// When the last one was refused.
    refused: Arc<Mutex<Option<Instant>>>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Submitter {
    fn start(port: u16) -> Self {
        let (acknowledged, refused, stop) =
            <(Arc<Mutex<BTreeMap<_, _>>>, Arc<Mutex<_>>, CancellationToken)>::default();
        let (rows, refusal, token) =
            (Arc::clone(&acknowledged), Arc::clone(&refused), stop.clone());
        let running = tokio::spawn(async move {
            let http = reqwest::Client::new();
            for index in 0.. {
                if token.is_cancelled() {
                    break;
                }
                let post = http
                    .post(format!("http://127.0.0.1:{port}/values"))
                    .json(&json!({ "index": index }));
                let answer = post.send().await.unwrap();
                if answer.status().is_success() {
                    let row: Value = answer.json().await.unwrap();
                    lock(&rows).insert(row["id"].as_i64().unwrap(), index);
                } else {
                    assert_eq!(answer.status(), 503);
                    *lock(&refusal) = Some(Instant::now());
                }
                tokio::time::sleep(SUBMIT_INTERVAL).await;
            }
        });
        Self { acknowledged, refused, stop, running }
    }

    fn count(&self) -> usize {
        lock(&self.acknowledged).len()
    }

    async fn until_acknowledged(&self, count: usize) {
        let expected = self.count() + count;
        let what = format!("{count} more submissions are acknowledged");
        eventually(&what, TEST_TIMEOUT, async || (self.count() >= expected).then_some(())).await;
    }
}

async fn readiness(port: u16, store: &str) -> String {
    let readiness = reqwest::get(format!("http://127.0.0.1:{port}/health/ready")).await.unwrap();
    readiness.json::<Value>().await.unwrap()[store].as_str().unwrap().to_owned()
}

async fn until_store_is(port: u16, store: &str, state: &str) {
    let what = format!("{store} is {state}");
    eventually(&what, TEST_TIMEOUT, async || (readiness(port, store).await == state).then_some(()))
        .await;
}

async fn until_postgres_is(port: u16, state: &str) {
    until_store_is(port, "postgres", state).await;
}

/// Whether the metrics have that line.
fn shows(server: &ServerProcess, metric: &str) -> bool {
    server.service.metrics().unwrap().lines().any(|line| line == metric)
}

async fn until_shown(server: &ServerProcess, metric: &str) {
    let shown = async || shows(server, metric).then_some(());
    eventually(metric, TEST_TIMEOUT, shown).await;
}

/// The lines of a log that are warnings or errors.
fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_succeed_again_soon_after_a_failover_and_none_is_lost() {
    let primary = stack::testing::postgres().unwrap();
    let proxy = Proxy::to(primary.port()).unwrap();
    let server = Arc::new(ServerProcess::prepare(proxy.port(), "postgres"));
    server.service.start().unwrap();
    let port = server.service.port();
    let standby = Arc::new(stack::testing::standby_of(&primary).unwrap());
    let submitter = Submitter::start(port);
    submitter.until_acknowledged(50).await;

    let promoted = Arc::clone(&standby);
    let demoted = spawn_blocking(move || primary.fail_over_to(&promoted).map(|()| primary)).await;
    // Open connections stay where they are.
    let _demoted = demoted.unwrap().unwrap();
    until_postgres_is(port, "down").await;
    until_shown(&server, "postgres_up 0").await;

    proxy.redirect(standby.port());
    let redirected = Instant::now();
    until_postgres_is(port, "up").await;
    submitter.until_acknowledged(100).await;
    let refused = lock(&submitter.refused).unwrap();
    assert!(refused < redirected + RECOVERY_TIMEOUT, "{:?}", refused.duration_since(redirected));
    println!("recovered after {:?}", refused.saturating_duration_since(redirected));

    submitter.stop.cancel();
    submitter.running.await.unwrap();
    let rows = standby.psql("postgres", r#"SELECT id, number FROM "values""#).unwrap();
    for (id, index) in &*lock(&submitter.acknowledged) {
        assert!(rows.lines().any(|row| row == format!("{id}|{index}")), "{index} is lost");
    }
    until_shown(&server, "postgres_up 1").await;
    let log = server.service.wait_for_log("postgres accepts writes again", TEST_TIMEOUT).unwrap();
    let [refused, accepted] = warnings(&log)[..] else { panic!("{log}") };
    assert!(
        refused.contains("postgres refuses writes") && refused.contains("read-only transaction"),
        "{refused}"
    );
    assert!(accepted.contains("postgres accepts writes again"), "{accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_standby_lists_are_served_and_submissions_wait_for_its_promotion() {
    let primary = stack::testing::postgres().unwrap();
    let server = ServerProcess::prepare(primary.port(), "postgres");
    server.service.start().unwrap();
    let standby = stack::testing::standby_of(&primary).unwrap();
    let server = ServerProcess::prepare(standby.port(), "postgres");
    server.service.launch().unwrap();
    let port = server.service.port();
    server.service.wait_for_log("postgres refuses writes", TEST_TIMEOUT).unwrap();
    assert_eq!(readiness(port, "postgres").await, "down");
    let list = reqwest::get(format!("http://127.0.0.1:{port}/values/all")).await.unwrap();
    assert!(list.status().is_success());

    primary.stop().unwrap();
    standby.psql("postgres", "SELECT pg_promote()").unwrap();
    let promoted = Instant::now();
    until_postgres_is(port, "up").await;
    assert!(promoted.elapsed() < RECOVERY_TIMEOUT, "{:?}", promoted.elapsed());
    let submitter = Submitter::start(port);
    submitter.until_acknowledged(10).await;
    assert_eq!(*lock(&submitter.refused), None);
    submitter.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
    let postgres = stack::testing::postgres().unwrap();
    let server = ServerProcess::prepare(postgres.port(), "postgres");
    server.service.start().unwrap();
    let port = server.service.port();
    let submitter = Submitter::start(port);
    submitter.until_acknowledged(10).await;
    postgres.kill().unwrap();
    until_postgres_is(port, "down").await;
    until_shown(&server, "postgres_up 0").await;
    postgres.start().unwrap();
    submitter.until_acknowledged(10).await;
    until_postgres_is(port, "up").await;
    submitter.stop.cancel();
    let log = server.service.wait_for_log("postgres accepts writes again", TEST_TIMEOUT).unwrap();
    let [begun, ended] = warnings(&log)[..] else { panic!("{log}") };
    assert!(begun.contains("postgres unavailable") && begun.contains("reason"), "{begun}");
    assert!(ended.contains("postgres accepts writes again"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_redis_is_down_until_its_address_leads_to_the_new_primary() {
    let (primary, replica) = (stack::testing::redis().unwrap(), stack::testing::redis().unwrap());
    replica.replicate(primary.port()).unwrap();
    let proxy = Proxy::to(primary.port()).unwrap();
    let database = Database::new().unwrap();
    let server = ServerProcess::with_redis(database.port(), database.name(), primary, proxy.port());
    server.service.start().unwrap();
    let port = server.service.port();
    until_store_is(port, "redis", "up").await;
    until_shown(&server, "redis_up 1").await;

    replica.promote().unwrap();
    server.redis.replicate(replica.port()).unwrap();
    until_store_is(port, "redis", "down").await;
    until_shown(&server, "redis_up 0").await;

    proxy.redirect(replica.port());
    let redirected = Instant::now();
    until_store_is(port, "redis", "up").await;
    assert!(redirected.elapsed() < RECOVERY_TIMEOUT, "{:?}", redirected.elapsed());
    until_shown(&server, "redis_up 1").await;
    let log = server.service.wait_for_log("redis accepts writes again", TEST_TIMEOUT).unwrap();
    let [refused, accepted] = warnings(&log)[..] else { panic!("{log}") };
    assert!(
        refused.contains("redis does not accept writes") && refused.contains("read only replica"),
        "{refused}"
    );
    assert!(accepted.contains("redis accepts writes again"), "{accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_changed_ends_the_process_with_one_line() {
    let postgres = stack::testing::postgres().unwrap();
    let server = ServerProcess::prepare(postgres.port(), "postgres");
    server.service.start().unwrap();
    postgres
        .psql("postgres", "UPDATE _sqlx_migrations SET checksum = 'changed' WHERE version = 1")
        .unwrap();
    server.service.stop().unwrap();
    server.service.launch().unwrap();
    wait_until("the api has ended", TEST_TIMEOUT, || server.service.exited().is_some()).unwrap();
    assert_eq!(server.service.exited().unwrap().code(), Some(1));
    let log = server.service.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let [error] = errors[..] else { panic!("{errors:#?}") };
    assert!(error.contains("migration 1 was previously applied but has been modified"), "{error}");
}
