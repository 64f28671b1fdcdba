//! Health and metrics: what an orchestrator, a load balancer and an operator are told.

use axum::http::StatusCode;
use clap::Parser;
use serde_json::json;
use server::Application;
use server::config::Config;

use crate::{Api, Refusal, recorder};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_the_api_is_degraded_and_with_one_it_is_ready() {
    let api = Api::start().await;
    let answer = api.get("/health/ready").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let readiness: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        readiness,
        json!({"status": "degraded", "postgres": "up", "redis": "up", "workers": 0, "queue": 0, "dead_letters": 0})
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
    let redis = stack::testing::redis().unwrap();
    postgres.kill().unwrap();
    let (url, redis_url) = (postgres.url("postgres"), redis.url());
    let config = Config::try_parse_from([
        "server",
        "--listen-addr",
        "127.0.0.1",
        "--port",
        "0",
        "--metrics-port",
        "0",
        "--database-url",
        &url,
        "--redis-url",
        &redis_url,
    ]);
    let application = Application::build(config.unwrap(), recorder()).await.unwrap();
    let api = format!("http://{}", application.address().unwrap());
    let token = application.token();
    let running = tokio::spawn(application.run());
    let http = reqwest::Client::new();
    let ready = async || http.get(format!("{api}/health/ready")).send().await.unwrap().status();
    let post = async || http.post(format!("{api}/values")).json(&json!({"index": 10})).send().await.unwrap();
    let until = async |wanted: StatusCode| {
        let deadline = std::time::Instant::now() + crate::SOON;
        while ready().await != wanted {
            assert!(std::time::Instant::now() < deadline, "waited in vain until readiness is {wanted}");
        }
    };

    for _ in 0..2 {
        assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
        let refusal = Refusal::of(post().await).await;
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refusal.retry_after.as_deref(), Some("1"));
        assert!(!refusal.body.to_string().contains("ostgres:"), "{}", refusal.body);

        postgres.start().unwrap();
        until(StatusCode::OK).await;
        assert_eq!(post().await.status(), StatusCode::OK);

        postgres.kill().unwrap();
        until(StatusCode::SERVICE_UNAVAILABLE).await;
    }
    token.cancel();
    assert_eq!(format!("{:?}", running.await.unwrap()), format!("{:?}", std::process::ExitCode::SUCCESS));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_the_operators_port_alone() {
    let api = Api::start().await;
    let answer = api.http.get(format!("{}/metrics", api.operator_url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(api.get("/metrics").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    api.metrics().await;
}
