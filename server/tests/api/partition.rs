//! Redis or Postgres out of reach without a word: a proxy in between swallows what passes, and no
//! connection is seen to end. An end that is told is in `faults`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stack::Proxy;
use stack::testing::Database;

use crate::Api;
use crate::events::Stream;

/// Longest wait until a silence is noticed, or is over: far less than TCP's own quarter of an hour.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_vanishes_silently_is_detected() {
    let redis = stack::testing::redis().unwrap();
    let way = Proxy::to(redis.port()).unwrap();
    let database = Arc::new(Database::new().unwrap());
    let url = format!("redis://127.0.0.1:{}", way.port());
    let mut api = Api::between(&database.url(), redis, url, &[]).await;
    api.database = Some(database);
    api.until("the api is ready", async |api| api.ready().await["status"] == "degraded").await;
    let api = api.worker().await;
    api.submit(10).await;
    api.until_shown([(10, "55")]).await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;

    way.cut();
    assert_eq!(api.submit(20).await["state"], "stored");
    api.refusal("/values/current").await.assert_retryable();
    api.until("the api is not ready", async |api| api.ready().await["redis"] == "down").await;
    assert_eq!(api.submit(21).await["state"], "stored");

    let healed = Instant::now();
    way.heal();
    // The page looks again, and what it sees is right.
    tokio::time::timeout(RECOVERY_TIMEOUT, stream.event("reset")).await.expect("listeners were not told");
    api.until_shown([(20, "6765"), (21, "10946")]).await;
    assert!(healed.elapsed() < RECOVERY_TIMEOUT, "{:?}", healed.elapsed());
    api.submit(30).await;
    stream.event("value").await;
    api.until_shown([(30, "832040")]).await;
    // As an original server announces it: the worker hears again, too.
    api.until("an announcement is heard", async |api| {
        api.redis::<usize>(&["PUBLISH", "insert", "7"]).await;
        api.values().await["7"] == "13"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_vanishes_silently_occupies_no_connection() {
    let database = Arc::new(Database::new().unwrap());
    let way = Proxy::to(database.port()).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", way.port(), database.name());
    let mut api = Api::launch(&url, &[]).await;
    api.database = Some(Arc::clone(&database));
    api.until("the api is ready", async |api| api.ready().await["postgres"] == "up").await;

    // All connections have a statement under way when it happens: they wait for a lock.
    let lock = Arc::clone(&database);
    let locked = tokio::task::spawn_blocking(move || {
        lock.psql(r#"BEGIN; LOCK TABLE "values" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)"#)
    });
    let count = |what: &str| {
        let sql =
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {what}");
        database.psql(&sql).unwrap().trim().to_owned()
    };
    api.until("the table is locked", async |_| count("wait_event = 'PgSleep'") == "1").await;
    // Not the page that all share.
    let read = || api.request("/values/all?limit=999").timeout(Duration::from_secs(4)).send();
    let readers: Vec<_> = (0..8).map(|_| tokio::spawn(read())).collect();
    api.until("all connections wait", async |_| count("wait_event_type = 'Lock'") == "4").await;
    way.cut();
    database
        .psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        .unwrap();
    assert!(locked.await.unwrap().is_err());
    api.submit_refused(10).await.assert_retryable();
    for reader in readers {
        assert!(!reader.await.unwrap().is_ok_and(|answer| answer.status().is_success()));
    }

    let healed = Instant::now();
    way.heal();
    api.until("the api is ready again", async |api| api.ready().await["postgres"] == "up").await;
    api.submit(20).await;
    assert!(healed.elapsed() < RECOVERY_TIMEOUT, "{:?}", healed.elapsed());
}
