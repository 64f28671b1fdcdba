//! Network partitions: a proxy in front of Redis or Postgres drops what passes, and no connection
//! is closed. Closed connections are in `faults`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stack::Proxy;
use stack::testing::Database;

use crate::Api;
use crate::events::Stream;

/// Longest recovery after a partition: far less than TCP's own quarter of an hour.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// An api and a worker that have worked with a Redis behind a proxy.
async fn behind_proxy() -> (Api, Proxy) {
    let redis = stack::testing::redis().unwrap();
    let proxy = Proxy::to(redis.port()).unwrap();
    let database = Arc::new(Database::new().unwrap());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let mut api = Api::between(&database.url(), redis, url, &[]).await;
    api.database = Some(database);
    api.until("the api is ready", async |api| api.ready().await["status"] == "degraded").await;
    let api = api.worker().await;
    api.submit(10).await;
    api.until_shown([(10, "55")]).await;
    (api, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_vanishes_silently_is_detected() {
    let (api, proxy) = behind_proxy().await;
    proxy.cut();
    assert_eq!(api.submit(20).await["state"], "stored");
    api.refusal("/values/current").await.assert_retryable();
    api.until("the api is not ready", async |api| api.ready().await["redis"] == "down").await;
    assert_eq!(api.submit(21).await["state"], "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_reachable_again_is_used_by_all() {
    let (api, proxy) = behind_proxy().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    proxy.cut();
    assert_eq!(api.submit(20).await["state"], "stored");
    api.until("the api is not ready", async |api| api.ready().await["redis"] == "down").await;

    let healed = Instant::now();
    proxy.heal();
    // The page fetches the lists again, and they are right.
    tokio::time::timeout(RECOVERY_TIMEOUT, stream.event("reset"))
        .await
        .expect("listeners were not told");
    api.until_shown([(20, "6765")]).await;
    assert!(healed.elapsed() < RECOVERY_TIMEOUT, "{:?}", healed.elapsed());
    api.submit(30).await;
    stream.event("value").await;
    api.until_shown([(30, "832040")]).await;
    // As an original server announces it: the worker has subscribed again, too.
    api.until("an announcement is heard", async |api| {
        api.redis::<usize>(&["PUBLISH", "insert", "7"]).await;
        api.values().await["7"] == "13"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_vanishes_silently_occupies_no_connection() {
    let database = Arc::new(Database::new().unwrap());
    let proxy = Proxy::to(database.port()).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", proxy.port(), database.name());
    let mut api = Api::launch(&url, &[]).await;
    api.database = Some(Arc::clone(&database));
    api.until("the api is ready", async |api| api.ready().await["postgres"] == "up").await;

    // All connections have a statement under way when it happens: they wait for a lock.
    let lock = Arc::clone(&database);
    let locked = tokio::task::spawn_blocking(move || {
        lock.psql(r#"BEGIN; LOCK TABLE "values" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)"#)
    });
    let count = |what: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {what}"
        );
        database.psql(&sql).unwrap().trim().to_owned()
    };
    api.until("the table is locked", async |_| count("wait_event = 'PgSleep'") == "1").await;
    // Not the page that all share.
    let read = || api.request("/values/all?limit=999").timeout(Duration::from_secs(4)).send();
    let readers: Vec<_> = (0..8).map(|_| tokio::spawn(read())).collect();
    api.until("all connections wait", async |_| count("wait_event_type = 'Lock'") == "4").await;
    proxy.cut();
    database
        .psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        .unwrap();
    assert!(locked.await.unwrap().is_err());
    api.submit_refused(10).await.assert_retryable();
    for reader in readers {
        assert!(!reader.await.unwrap().is_ok_and(|answer| answer.status().is_success()));
    }

    let healed = Instant::now();
    proxy.heal();
    api.until("the api is ready again", async |api| api.ready().await["postgres"] == "up").await;
    // The pool may find out a moment later than readiness.
    api.until("an index is accepted", async |api| api.try_submit(20).await.status().is_success())
        .await;
    assert!(healed.elapsed() < RECOVERY_TIMEOUT, "{:?}", healed.elapsed());
}
