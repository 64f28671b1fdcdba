//! Tests of the api over HTTP, against real Postgres and Redis, each with a database and a Redis of its own.
//!
//! The api runs within the test's process on a free port; so does a real worker, in the tests that want values.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod bad_input;
mod contract;
mod described;
mod events;
mod faults;
mod garbage;
mod health;
mod migration;
mod partition;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use clap::Parser;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use server::Server;
use server::config::ServerConfig;
use stack::testing::{Database, Private};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything that should happen soon.
const SOON: Duration = Duration::from_secs(20);

/// A running api with its Postgres and Redis.
struct Api {
    http: reqwest::Client,
    url: String,
    operator_url: String,
    tokens: Vec<CancellationToken>,
    redis: Private<stack::Redis>,
    /// How the api and its worker reach it.
    redis_url: String,
    /// `None` when the Postgres is the test's own.
    database: Option<Arc<Database>>,
}

/// A problem as it came, and what its headers said.
struct Refusal {
    status: StatusCode,
    title: String,
    retry_after: Option<String>,
    body: Value,
}

impl Api {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With further options, such as `["--max-index", "40"]`.
    async fn with(options: &[&str]) -> Self {
        Self::on(Arc::new(Database::new().unwrap()), options).await
    }

    async fn on(database: Arc<Database>, options: &[&str]) -> Self {
        let mut api = Self::launch(&database.url(), options).await;
        api.database = Some(database);
        api.until("the schema is there", async |api| api.ready().await["postgres"] == "up").await;
        api
    }

    /// On a Postgres that need not be there.
    async fn launch(url: &str, options: &[&str]) -> Self {
        let redis = stack::testing::redis().unwrap();
        let redis_url = redis.url();
        Self::between(url, redis, redis_url, options).await
    }

    /// With a way to Redis of its own.
    async fn between(url: &str, redis: Private<stack::Redis>, redis_url: String, options: &[&str]) -> Self {
        let fixed = [
            "server",
            "--listen-addr",
            "127.0.0.1",
            "--port",
            "0",
            "--metrics-port",
            "0",
            "--pg-connections",
            "4",
        ];
        let parts = ["--database-url", url, "--redis-url", &redis_url];
        let config = ServerConfig::try_parse_from([&fixed, &parts[..], options].concat()).unwrap();
        let server = Server::build(config, recorder()).await.unwrap();
        let api = Self {
            http: reqwest::Client::new(),
            url: format!("http://{}", server.address().unwrap()),
            operator_url: format!("http://{}", server.operator_address().unwrap()),
            tokens: vec![server.token()],
            redis,
            redis_url,
            database: None,
        };
        tokio::spawn(server.run());
        api
    }

    fn database(&self) -> &Database {
        self.database.as_deref().unwrap()
    }

    /// Adds a worker.
    async fn worker(mut self) -> Self {
        let options =
            ["worker", "--listen-addr", "127.0.0.1", "--metrics-port", "0", "--redis-url", &self.redis_url];
        let config = worker::config::WorkerConfig::try_parse_from(options).unwrap();
        let worker = worker::Worker::build(config, recorder()).await.unwrap();
        self.tokens.push(worker.token());
        tokio::spawn(worker.run());
        self
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    fn post(&self, body: impl ToString) -> RequestBuilder {
        let post = self.http.post(format!("{}/values", self.url));
        post.header("content-type", "application/json").body(body.to_string())
    }

    /// Submits an index that must be accepted.
    async fn submit(&self, index: u32) -> Value {
        let answer = self.post(json!({ "index": index.to_string() })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    async fn ready(&self) -> Value {
        self.get("/health/ready").send().await.unwrap().json().await.unwrap()
    }

    async fn metrics(&self) -> String {
        let metrics = self.http.get(format!("{}/metrics", self.operator_url));
        metrics.send().await.unwrap().text().await.unwrap()
    }

    /// Waits until `/values/current` shows `value` for `index`.
    async fn until_shown(&self, index: u32, value: &str) {
        let what = format!("{index} shows {value}");
        self.until(&what, async |api| {
            let answer = api.get("/values/current").send().await.unwrap();
            let current: Value = answer.json().await.unwrap();
            current[index.to_string()] == value
        })
        .await;
    }

    async fn until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        stack::eventually(what, SOON, async || condition(self).await.then_some(())).await;
    }

    /// A Redis command, as any other program may send it.
    async fn redis<T: redis::FromRedisValue>(&self, command: &[impl redis::ToRedisArgs + Sync]) -> T {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::Cmd::new().arg(command).query_async(&mut connection).await.unwrap()
    }

    fn rows(&self) -> String {
        self.database().psql(r#"SELECT count(*) FROM "values""#).unwrap().trim().to_owned()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        for token in &self.tokens {
            token.cancel();
        }
    }
}

impl Refusal {
    async fn of(answer: Response) -> Self {
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{status}");
        let (retry_after, id) = (header("retry-after"), header("x-request-id").unwrap());
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], status.as_u16());
        assert_eq!(body["request_id"], id);
        Self { status, title: body["title"].as_str().unwrap().to_owned(), retry_after, body }
    }
}

/// Metrics of one api; a process has only one recorder, which tests that run side by side would share.
fn recorder() -> metrics_exporter_prometheus::PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}
