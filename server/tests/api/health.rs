//! Health and metrics: what an orchestrator, a load balancer and an operator are told.
//!
//! What an orchestrator then does is not tested here.

use axum::http::StatusCode;
use serde_json::json;

use crate::{Api, Refusal};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_the_api_is_degraded_and_with_one_it_is_ready() {
    let api = Api::start().await;
    let answer = api.get("/health/ready").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let readiness: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        readiness,
        json!({"status": "degraded", "postgres": "up", "redis": "up", "workers": 0, "queue": 0, "dead_letters": 0, "max_index": 10_000_000})
    );
    let api = api.worker().await;
    api.until("a worker is alive", async |api| api.ready().await["status"] == "ready").await;
    api.tokens[1].cancel();
    api.until("none is alive", async |api| api.ready().await["status"] == "degraded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_away_the_api_lives_and_is_not_ready() {
    let api = Api::start().await;
    api.redis.kill().unwrap();
    let answer = api.get("/health/ready").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let readiness: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        (&readiness["status"], &readiness["redis"], &readiness["postgres"]),
        (&json!("unavailable"), &json!("down"), &json!("up"))
    );
    assert_eq!(api.get("/health/live").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_come_late_go_away_and_come_back() {
    let postgres = stack::testing::postgres().unwrap();
    postgres.kill().unwrap();
    let api = Api::launch(&postgres.url("postgres"), &[]).await;
    for _ in 0..2 {
        api.until("Postgres is seen to be away", async |api| !is_ready(api).await).await;
        let refusal = Refusal::of(api.post(json!({"index": 10})).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refusal.retry_after.as_deref(), Some("1"));
        assert!(!refusal.body.to_string().contains("ostgres:"), "{}", refusal.body);

        postgres.restart().unwrap();
        api.until("Postgres is seen to be back", is_ready).await;
        api.submit(10).await;
        postgres.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_hangs_is_away_and_nothing_acknowledged_is_lost() {
    let postgres = stack::testing::postgres().unwrap();
    let api = Api::launch(&postgres.url("postgres"), &[]).await;
    api.until("the api is ready", is_ready).await;
    api.submit(10).await;

    postgres.freeze().unwrap();
    let refusal = Refusal::of(api.post(json!({"index": 20})).send().await.unwrap()).await;
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.retry_after.as_deref(), Some("1"));
    assert!(!is_ready(&api).await);
    assert_eq!(api.get("/health/live").send().await.unwrap().status(), StatusCode::OK);

    postgres.thaw().unwrap();
    api.until("the api is ready again", is_ready).await;
    api.submit(30).await;
    let kept = postgres.psql("postgres", r#"SELECT number FROM "values" WHERE number <> 20 ORDER BY id"#);
    assert_eq!(kept.unwrap().split_whitespace().collect::<Vec<_>>(), ["10", "30"]);
}

async fn is_ready(api: &Api) -> bool {
    api.get("/health/ready").send().await.unwrap().status().is_success()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_the_operators_port_alone() {
    let api = Api::start().await;
    let answer = api.http.get(format!("{}/metrics", api.operator_url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(api.get("/metrics").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    api.metrics().await;
}
