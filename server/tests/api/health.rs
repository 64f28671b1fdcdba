//! Health and metrics: what an orchestrator, a load balancer and an operator are told.

use axum::http::StatusCode;
use contract::{ComponentStatus, Readiness, ReadinessStatus};
use serde_json::json;

use crate::Api;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_the_api_is_degraded_and_with_one_it_is_ready() {
    let api = Api::start().await;
    assert_eq!(
        api.json("/health/ready").await,
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
    let answer = api.get("/health/ready").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let readiness: Readiness = answer.json().await.unwrap();
    assert_eq!(readiness.status, ReadinessStatus::Unavailable);
    assert_eq!((readiness.redis, readiness.postgres), (ComponentStatus::Down, ComponentStatus::Up));
    assert_eq!(api.get("/health/live").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_come_late_go_away_and_come_back() {
    let postgres = stack::testing::postgres().unwrap();
    postgres.kill().unwrap();
    let api = Api::launch(&postgres.url("postgres"), &[]).await;
    for _ in 0..2 {
        api.until("Postgres is seen to be away", async |api| !is_ready(api).await).await;
        let refusal = api.submit_refused(10).await;
        refusal.assert_retryable();
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
    api.submit_refused(20).await.assert_retryable();
    assert!(!is_ready(&api).await);
    assert_eq!(api.get("/health/live").await.status(), StatusCode::OK);

    postgres.thaw().unwrap();
    api.until("the api is ready again", is_ready).await;
    api.submit(30).await;
    let kept =
        postgres.psql("postgres", r#"SELECT number FROM "values" WHERE number <> 20 ORDER BY id"#);
    assert_eq!(kept.unwrap().split_whitespace().collect::<Vec<_>>(), ["10", "30"]);
}

async fn is_ready(api: &Api) -> bool {
    api.get("/health/ready").await.status().is_success()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_the_operators_port_alone() {
    let api = Api::start().await;
    let answer = api.http.get(format!("{}/metrics", api.operator_url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(api.get("/metrics").await.status(), StatusCode::NOT_FOUND);
    api.metrics().await;
}
