//! Liveness, readiness and metrics, and an unavailable Postgres.

use axum::http::StatusCode;
use contract::{ComponentStatus, Readiness, ReadinessStatus};
use serde_json::json;

use crate::Api;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_ready_with_a_worker_and_degraded_without() {
    let api = Api::start().await;
    let degraded = json!({
        "status": "degraded", "postgres": "up", "redis": "up", "workers": 0,
        "worker_names": [], "queue": 0, "dead_letters": 0, "max_index": 10_000_000
    });
    assert_eq!(api.json("/health/ready").await, degraded);
    let api = api.with_worker().await;
    api.until("a worker is alive", async |api| api.readiness().await["status"] == "ready").await;
    api.tokens[1].cancel();
    api.until("no worker is alive", async |api| api.readiness().await["status"] == "degraded")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_api_is_alive_but_not_ready() {
    let api = Api::start().await;
    api.redis.kill().unwrap();
    let response = api.get("/health/ready").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let readiness: Readiness = response.json().await.unwrap();
    assert_eq!(readiness.status, ReadinessStatus::Unavailable);
    assert_eq!((readiness.redis, readiness.postgres), (ComponentStatus::Down, ComponentStatus::Up));
    assert_eq!(api.get("/health/live").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_start_after_the_api_and_restart() {
    let postgres = stack::testing::postgres().unwrap();
    postgres.kill().unwrap();
    let api = Api::launch(&postgres.url("postgres"), &[]).await;
    for _ in 0..2 {
        api.until("the api is not ready", async |api| !is_ready(api).await).await;
        let refusal = api.submit_refused(10).await;
        refusal.assert_retryable();
        assert!(!refusal.body.to_string().contains("ostgres:"), "{}", refusal.body);

        postgres.restart().unwrap();
        api.until("the api is ready", is_ready).await;
        api.submit(10).await;
        postgres.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_unresponsive_postgres_the_api_is_not_ready_and_loses_nothing() {
    let postgres = stack::testing::postgres().unwrap();
    let api = Api::launch(&postgres.url("postgres"), &[]).await;
    api.until("the api is ready", is_ready).await;
    api.submit(10).await;

    postgres.freeze().unwrap();
    api.submit_refused(20).await.assert_retryable();
    assert!(!is_ready(&api).await);
    assert_eq!(api.get("/health/live").await.status(), StatusCode::OK);

    postgres.thaw().unwrap();
    api.until("the api is ready again", is_ready).await;
    api.submit(30).await;
    // The refused submission may have been committed.
    let acknowledged =
        postgres.psql("postgres", r#"SELECT number FROM "values" WHERE number <> 20 ORDER BY id"#);
    assert_eq!(acknowledged.unwrap().split_whitespace().collect::<Vec<_>>(), ["10", "30"]);
}

async fn is_ready(api: &Api) -> bool {
    api.get("/health/ready").await.status().is_success()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_only_on_the_operator_port() {
    let api = Api::start().await;
    let response = api.http.get(format!("{}/metrics", api.operator_url)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(api.get("/metrics").await.status(), StatusCode::NOT_FOUND);
    api.metrics().await;
}
