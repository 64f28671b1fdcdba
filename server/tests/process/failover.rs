//! Failovers and outages of Postgres and Redis, as seen in readiness, metrics and the log. A
//! standby or a demoted primary responds but refuses writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use stack::testing::RECOVERY_TIMEOUT;
use stack::{Proxy, eventually, lock};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::*;

const SUBMIT_INTERVAL: Duration = Duration::from_millis(10);

/// A client that submits indices one after the other until it is stopped.
struct Submitter {
    outcomes: Arc<Mutex<Outcomes>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Outcomes {
    /// Acknowledged indices by id.
    acknowledged: BTreeMap<i64, u32>,
    last_refusal: Option<Instant>,
}

impl Submitter {
    fn start(port: u16) -> Self {
        let outcomes: Arc<Mutex<Outcomes>> = Arc::default();
        let stop = CancellationToken::new();
        let (shared, token) = (Arc::clone(&outcomes), stop.clone());
        let task = tokio::spawn(async move {
            let http = reqwest::Client::new();
            for index in 0.. {
                if token.is_cancelled() {
                    break;
                }
                let post = http
                    .post(format!("http://127.0.0.1:{port}/values"))
                    .json(&json!({ "index": index }));
                let response = post.send().await.unwrap();
                if response.status().is_success() {
                    let submitted: Value = response.json().await.unwrap();
                    let id = submitted["id"].as_i64().unwrap();
                    lock(&shared).acknowledged.insert(id, index);
                } else {
                    assert_eq!(response.status(), 503);
                    lock(&shared).last_refusal = Some(Instant::now());
                }
                tokio::time::sleep(SUBMIT_INTERVAL).await;
            }
        });
        Self { outcomes, stop, task }
    }

    fn count(&self) -> usize {
        lock(&self.outcomes).acknowledged.len()
    }

    /// Waits until `count` further submissions are acknowledged.
    async fn until_acknowledged(&self, count: usize) {
        let expected = self.count() + count;
        let what = format!("{count} more submissions are acknowledged");
        eventually(&what, TEST_TIMEOUT, async || (self.count() >= expected).then_some(())).await;
    }
}

/// `up` or `down` for `postgres` or `redis`.
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

/// Waits until the metrics have the line `metric`.
async fn until_metric(server: &ServerProcess, metric: &str) {
    let has_metric = async || {
        let metrics = server.service.metrics().unwrap();
        metrics.lines().any(|line| line == metric).then_some(())
    };
    eventually(metric, TEST_TIMEOUT, has_metric).await;
}

/// Checks that the log has two warnings or errors: one with the texts `begin`, and one with `end`.
fn check_outage_log(server: &ServerProcess, begin: [&str; 2], end: &str) {
    let log = server.service.wait_for_log(end, TEST_TIMEOUT).unwrap();
    let is_warning = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    let warnings: Vec<_> = log.lines().filter(is_warning).collect();
    let [begun, ended] = warnings[..] else { panic!("{log}") };
    assert!(begin.iter().all(|text| begun.contains(text)), "{begun}");
    assert!(ended.contains(end), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_of_postgres_loses_no_acknowledged_submission() {
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
    // Not dropped, because the demoted primary must keep its open connections.
    let _demoted = demoted.unwrap().unwrap();
    until_postgres_is(port, "down").await;
    until_metric(&server, "postgres_up 0").await;

    proxy.redirect(standby.port());
    let redirected = Instant::now();
    until_postgres_is(port, "up").await;
    submitter.until_acknowledged(100).await;
    let refused = lock(&submitter.outcomes).last_refusal.unwrap();
    assert!(refused < redirected + RECOVERY_TIMEOUT, "{:?}", refused.duration_since(redirected));
    println!("recovered after {:?}", refused.saturating_duration_since(redirected));

    submitter.stop.cancel();
    submitter.task.await.unwrap();
    let rows = standby.psql("postgres", r#"SELECT id, number FROM "values""#).unwrap();
    for (id, index) in &lock(&submitter.outcomes).acknowledged {
        assert!(rows.lines().any(|row| row == format!("{id}|{index}")), "{index} is lost");
    }
    until_metric(&server, "postgres_up 1").await;
    let begin = ["postgres refuses writes", "read-only transaction"];
    check_outage_log(&server, begin, "postgres accepts writes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_serves_lists_and_accepts_submissions_once_promoted() {
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
    assert_eq!(lock(&submitter.outcomes).last_refusal, None);
    submitter.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_postgres_is_logged_when_it_begins_and_when_it_ends() {
    let postgres = stack::testing::postgres().unwrap();
    let server = ServerProcess::prepare(postgres.port(), "postgres");
    server.service.start().unwrap();
    let port = server.service.port();
    let submitter = Submitter::start(port);
    submitter.until_acknowledged(10).await;
    postgres.kill().unwrap();
    until_postgres_is(port, "down").await;
    until_metric(&server, "postgres_up 0").await;
    postgres.start().unwrap();
    submitter.until_acknowledged(10).await;
    until_postgres_is(port, "up").await;
    submitter.stop.cancel();
    check_outage_log(&server, ["postgres unavailable", "reason"], "postgres accepts writes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_logged_though_the_health_check_succeeds() {
    let postgres = stack::testing::postgres().unwrap();
    let server = ServerProcess::prepare(postgres.port(), "postgres");
    server.service.start().unwrap();
    let port = server.service.port();
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE disk_full USING MESSAGE = 'No space left on device'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON values EXECUTE FUNCTION full_disk()";
    postgres.psql("postgres", full).unwrap();
    let post = reqwest::Client::new().post(format!("http://127.0.0.1:{port}/values"));
    let refused = post.json(&json!({ "index": 10 })).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    let log = server.service.wait_for_log("No space left on device", TEST_TIMEOUT).unwrap();
    let is_refusal = |line: &str| line.contains("ERROR") && line.contains("request failed");
    assert!(log.lines().any(is_refusal), "{log}");
    assert_eq!(readiness(port, "postgres").await, "up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_amid_a_migration_does_not_end_the_process() {
    let postgres = stack::testing::postgres().unwrap();
    let sql = |sql: &str| postgres.psql("postgres", sql).unwrap().trim().to_owned();
    sql("CREATE TABLE values (number INT)");
    // The migration's transaction waits for a reader's lock.
    let mut reader = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    reader.execute("BEGIN; SELECT * FROM values").await.unwrap();
    let server = ServerProcess::prepare(postgres.port(), "postgres");
    server.service.launch().unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let waits = async || (sql(waiting) != "0").then_some(());
    eventually("the migration waits for the lock", TEST_TIMEOUT, waits).await;

    postgres.stop().unwrap();
    postgres.start().unwrap();
    until_postgres_is(server.service.port(), "up").await;
    assert_eq!(sql("SELECT count(*) FROM indices"), "0");
    assert!(server.service.exited().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_redis_is_down_until_its_address_leads_to_the_new_primary() {
    let (primary, replica) = (stack::testing::redis().unwrap(), stack::testing::redis().unwrap());
    replica.replicate(primary.port()).unwrap();
    let proxy = Proxy::to(primary.port()).unwrap();
    let database = Database::new().unwrap();
    let server =
        ServerProcess::prepare_with_redis(database.port(), database.name(), primary, proxy.port());
    server.service.start().unwrap();
    let port = server.service.port();
    until_store_is(port, "redis", "up").await;
    until_metric(&server, "redis_up 1").await;

    replica.promote().unwrap();
    server.redis.replicate(replica.port()).unwrap();
    until_store_is(port, "redis", "down").await;
    until_metric(&server, "redis_up 0").await;

    proxy.redirect(replica.port());
    let redirected = Instant::now();
    until_store_is(port, "redis", "up").await;
    assert!(redirected.elapsed() < RECOVERY_TIMEOUT, "{:?}", redirected.elapsed());
    until_metric(&server, "redis_up 1").await;
    let begin = ["redis does not accept writes", "read only replica"];
    check_outage_log(&server, begin, "redis accepts writes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modified_migration_ends_the_process_with_one_error() {
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
