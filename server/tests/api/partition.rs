//! Network partitions: a proxy in front of Redis or Postgres drops all data without closing the
//! connections. TCP alone would notice after a quarter of an hour. Closed connections are in
//! `faults` and `health`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stack::Proxy;
use stack::testing::{Database, RECOVERY_TIMEOUT};

use crate::Api;
use crate::events::Stream;

/// An api and a worker that have used a Redis behind a proxy.
async fn api_with_redis_proxy() -> (Api, Proxy) {
    let redis = stack::testing::redis().unwrap();
    let proxy = Proxy::to(redis.port()).unwrap();
    let database = Arc::new(Database::new().unwrap());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let mut api = Api::launch_with_redis(&database.url(), redis, url, &[]).await;
    api.database = Some(database);
    api.until("the api is ready", async |api| api.readiness().await["status"] == "degraded").await;
    let api = api.with_worker().await;
    api.submit(10).await;
    api.until_listed([(10, "55")]).await;
    (api, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_from_redis_is_detected() {
    let (api, proxy) = api_with_redis_proxy().await;
    proxy.cut();
    assert_eq!(api.submit(20).await["state"], "stored");
    api.get_refused("/values/current").await.assert_retryable();
    api.until("the api is not ready", async |api| api.readiness().await["redis"] == "down").await;
    assert_eq!(api.submit(21).await["state"], "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_and_worker_recover_from_a_partition_from_redis() {
    let (api, proxy) = api_with_redis_proxy().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    proxy.cut();
    assert_eq!(api.submit(20).await["state"], "stored");
    api.until("the api is not ready", async |api| api.readiness().await["redis"] == "down").await;

    let healed = Instant::now();
    proxy.heal();
    // Clients read the lists again, which must be right.
    tokio::time::timeout(RECOVERY_TIMEOUT, stream.event("reset"))
        .await
        .expect("the stream should receive reset");
    api.until_listed([(20, "6765")]).await;
    assert!(healed.elapsed() < RECOVERY_TIMEOUT, "{:?}", healed.elapsed());
    api.submit(30).await;
    stream.event("value").await;
    api.until_listed([(30, "832040")]).await;
    // An announcement like that of an original server: the worker must have subscribed again.
    api.until("the worker receives an announcement", async |api| {
        api.redis::<usize>(&["PUBLISH", "insert", "7"]).await;
        api.values().await["7"] == "13"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_from_postgres_does_not_block_the_pool() {
    let database = Arc::new(Database::new().unwrap());
    let proxy = Proxy::to(database.port()).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", proxy.port(), database.name());
    let mut api = Api::launch(&url, &[]).await;
    api.database = Some(Arc::clone(&database));
    api.until_postgres_is("up").await;

    // During the partition, every connection of the pool has a statement that waits for a lock.
    let locker = Arc::clone(&database);
    let lock = tokio::task::spawn_blocking(move || {
        locker.psql(r#"BEGIN; LOCK TABLE "values" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)"#)
    });
    let count = |condition: &str| {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
        database.psql(&format!("{sql} AND {condition}")).unwrap().trim().to_owned()
    };
    api.until("the table is locked", async |_| count("wait_event = 'PgSleep'") == "1").await;
    // Another page than the newest 1,000, whose read the requests would share.
    let read = || api.request("/values/all?limit=999").timeout(Duration::from_secs(4)).send();
    let readers: Vec<_> = (0..8).map(|_| tokio::spawn(read())).collect();
    api.until("all connections wait", async |_| count("wait_event_type = 'Lock'") == "4").await;
    proxy.cut();
    database
        .psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        .unwrap();
    assert!(lock.await.unwrap().is_err());
    api.submit_refused(10).await.assert_retryable();
    for reader in readers {
        assert!(!reader.await.unwrap().is_ok_and(|response| response.status().is_success()));
    }

    let healed = Instant::now();
    proxy.heal();
    api.until_postgres_is("up").await;
    // The pool may recover a moment later than readiness.
    api.until("an index is accepted", async |api| api.try_submit(20).await.status().is_success())
        .await;
    assert!(healed.elapsed() < RECOVERY_TIMEOUT, "{:?}", healed.elapsed());
}
