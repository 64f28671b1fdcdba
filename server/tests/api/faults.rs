//! Redis unavailable, emptied or full, a full queue, and errors of Postgres: no accepted index is
//! lost, and no internal error reaches a client. An unavailable Postgres is in `health`, network
//! partitions in `partition`, invalid data in Redis in `garbage`.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;
use stack::{Proxy, Signal};

use crate::Api;

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_an_index_is_accepted_and_calculated_later() {
    let api = Api::start().await.with_worker().await;
    api.redis.kill().unwrap();
    assert_eq!(api.submit(10).await["state"], "stored");
    assert_eq!(api.submission_count(), "1");

    api.get_refused("/values/current").await.assert_retryable();
    api.get_refused("/values/10").await.assert_retryable();

    api.redis.start().unwrap();
    api.until("values can be read", async |api| {
        api.get("/values/current").await.status().is_success()
    })
    .await;
    api.until_listed([(10, "55")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_unresponsive_redis_an_index_is_accepted() {
    let api = Api::start().await.with_worker().await;
    api.redis.signal(Signal::STOP).unwrap();
    let response = api.submit(10).await;
    api.redis.signal(Signal::CONT).unwrap();
    assert_eq!(response["state"], "stored");
    api.until_listed([(10, "55")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_writes_is_down_and_loses_nothing() {
    let api = Api::start().await.with_worker().await;
    // 4 MB are enough for the check of MAX_INDEX, and the foreign key fills them.
    api.redis::<()>(&["SET", "foreign", &"x".repeat(4_000_000)]).await;
    api.redis::<()>(&["CONFIG", "SET", "maxmemory", "4mb"]).await;
    assert_eq!(api.submit(10).await["state"], "stored");
    assert_eq!(api.readiness().await["redis"], "down");
    api.redis::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    api.until_listed([(10, "55")]).await;
    assert_eq!(api.readiness().await["redis"], "up");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_and_worker_use_the_new_primary_after_a_failover_of_redis() {
    let database = stack::testing::Database::new().unwrap();
    let (primary, replica) = (stack::testing::redis().unwrap(), stack::testing::redis().unwrap());
    let (primary_port, replica_port) = (primary.port(), replica.port());
    replica.replicate(primary_port).unwrap();
    let proxy = Proxy::to(primary_port).unwrap();
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let api = Api::launch_with_redis(&database.url(), primary, url, &[]).await.with_worker().await;
    api.until("the api is ready", async |api| api.readiness().await["status"] == "ready").await;
    api.submit(10).await;
    api.until_listed([(10, "55")]).await;

    replica.promote().unwrap();
    api.redis.replicate(replica_port).unwrap();
    proxy.redirect(replica_port);
    assert_eq!(api.submit(20).await["working"], true);
    api.until_listed([(20, "6765")]).await;
    assert_eq!(replica.cli(&["HGET", "values", "20"]).unwrap(), "6765");
    api.until("the api is ready again", async |api| api.readiness().await["status"] == "ready")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_calculated_again_after_redis_was_emptied() {
    let api = Api::start().await.with_worker().await;
    api.submit_all([10, 20, 30]).await;
    api.until_listed([(30, "832040")]).await;
    api.redis::<()>(&["FLUSHALL"]).await;
    api.until_listed([(10, "55"), (20, "6765"), (30, "832040")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_jobs_are_queued_again_after_redis_was_emptied() {
    let api = Api::start().await;
    // More than the lists hold, so that some indices are not listed.
    api.sql(r#"INSERT INTO "values" (number) SELECT generate_series(1, 1500)"#);
    let all_queued = async |api: &Api| api.readiness().await["queue"] == 1500;
    api.until("all are queued", all_queued).await;
    api.redis::<()>(&["FLUSHALL"]).await;
    api.until("all are queued again", all_queued).await;
    let api = api.with_worker().await;
    api.until_all_done().await;
    assert_eq!(api.digits(1).await, "1");
    assert_eq!(api.readiness().await["queue"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_new_work_until_there_is_capacity() {
    let api = Api::with(&["--max-queue", "2"]).await;
    api.submit_all([10, 20]).await;
    api.until("the queue is full", async |api| !api.try_submit(30).await.status().is_success())
        .await;
    let rows = api.submission_count();
    let refusal = api.submit_refused(40).await;
    assert_eq!(
        (refusal.status, refusal.title.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "Too much to do")
    );
    assert_eq!(refusal.retry_after.as_deref(), Some("1"));
    assert_eq!(api.submission_count(), rows);

    let api = api.with_worker().await;
    api.until("there is capacity", async |api| api.try_submit(40).await.status().is_success())
        .await;
    api.until_listed([(40, "102334155"), (20, "6765")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_submissions_does_not_exceed_the_queue_capacity() {
    let api = Arc::new(Api::with(&["--max-queue", "20"]).await);
    let burst = (100..200).map(|index| {
        let api = Arc::clone(&api);
        tokio::spawn(async move { api.try_submit(index).await.status() })
    });
    let mut accepted = 0;
    for status in burst.collect::<Vec<_>>() {
        match status.await.unwrap() {
            StatusCode::OK => accepted += 1,
            status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    // Half of the queue is for small jobs.
    assert!((1..=10).contains(&accepted), "{accepted} were accepted");
    assert_eq!(api.submission_count(), accepted.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_still_accepts_known_indices() {
    let api = Api::with(&["--max-queue", "1"]).await;
    api.redis::<String>(&["SET", "value:10", "55"]).await;
    api.submit(20).await;
    api.until("the queue is full", async |api| !api.try_submit(30).await.status().is_success())
        .await;
    assert_eq!(api.submit(10).await["value"], "55");
    assert_eq!(api.submit(20).await["state"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_none_match_any_does_not_hide_a_dead_letter() {
    let api = Api::start().await;
    api.redis::<String>(&["XADD", "jobs:dead", "1-1", "deliveries", "3", "index", "10000"]).await;
    api.redis::<usize>(&["HSET", "jobs:dead:indices", "10000", "1-1"]).await;
    api.submit(10_000).await;
    assert_eq!(
        api.get_if_none_match("*", "/values/10000").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_lettered_index_is_reported_and_not_queued_again() {
    let api = Api::start().await;
    api.redis::<String>(&["XADD", "jobs:dead", "1-1", "deliveries", "3", "index", "10"]).await;
    api.redis::<usize>(&["HSET", "jobs:dead:indices", "10", "1-1"]).await;
    assert_eq!(api.submit(10).await["state"], "failed");
    assert_eq!(api.redis::<usize>(&["XLEN", "jobs"]).await, 0);
    let refusal = api.get_refused("/values/10").await;
    assert_eq!(
        (refusal.status, refusal.title.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "Given up")
    );
    assert_eq!(api.dead_letters().await, json!([10]));
    // A pass of the reconciler that queues 11 has visited 10.
    api.sql(r#"INSERT INTO "values" VALUES (11)"#);
    api.until_redis("11 is queued", &["XLEN", "jobs:repair"], 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_dead_letter_is_calculated_without_another_submission() {
    let api = Api::start().await;
    api.redis::<String>(&["XADD", "jobs:dead", "1-1", "deliveries", "3", "index", "10"]).await;
    api.redis::<usize>(&["HSET", "jobs:dead:indices", "10", "1-1"]).await;
    assert_eq!(api.submit(10).await["state"], "failed");
    let api = api.with_worker().await;
    let redis = queue::RedisClient::open(&api.redis.url()).unwrap();
    assert_eq!(queue::DeadLetters::new(redis).retry_all().await.unwrap(), 1);
    api.until_listed([(10, "55")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_fails_by_a_conflict_can_be_retried() {
    let api = Api::start().await;
    for code in ["40P01", "40001"] {
        api.sql(&format!(
            r#"CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '{code}'; END $$;
               CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON "values" EXECUTE FUNCTION fail()"#
        ));
        api.submit_refused(7).await.assert_retryable();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_error_does_not_reveal_its_cause() {
    let api = Api::start().await;
    api.sql(r#"ALTER TABLE "values" RENAME COLUMN number TO secret_column"#);
    for refusal in [api.submit_refused(7).await, api.get_refused("/values/all").await] {
        assert_eq!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR);
        let keys: Vec<_> = refusal.body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["request_id", "status", "title", "type"]);
        assert_eq!(refusal.title, "Internal Server Error");
    }
}
