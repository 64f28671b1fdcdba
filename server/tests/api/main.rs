//! Tests of the api over HTTP, each with its own database and Redis. The api runs in the test's
//! process on a free port, and so does a worker in the tests that need values.

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
mod pruning;
mod replaced;

use std::sync::Arc;

use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use server::Server;
use server::config::ServerConfig;
use stack::testing::{Database, Private, TEST_TIMEOUT, parse_options};
use tokio_util::sync::CancellationToken;

/// A running api with its Postgres and Redis.
struct Api {
    http: reqwest::Client,
    url: String,
    operator_url: String,
    /// Shutdown signals of the api and of its worker.
    tokens: Vec<CancellationToken>,
    redis: Private<stack::Redis>,
    /// Address of Redis for the api and its worker, such as a proxy's.
    redis_url: String,
    /// `None` when the test has started a Postgres itself.
    database: Option<Arc<Database>>,
}

/// An error response.
struct ApiProblem {
    status: StatusCode,
    title: String,
    retry_after: Option<String>,
    body: Value,
}

impl Api {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts the api with options such as `["--max-index", "40"]`.
    async fn with(options: &[&str]) -> Self {
        Self::on_database(Arc::new(Database::new().unwrap()), options).await
    }

    async fn on_database(database: Arc<Database>, options: &[&str]) -> Self {
        let mut api = Self::launch(&database.url(), options).await;
        api.database = Some(database);
        api.until_postgres_is("up").await;
        api
    }

    /// Starts the api without waiting for Postgres.
    async fn launch(database_url: &str, options: &[&str]) -> Self {
        let redis = stack::testing::redis().unwrap();
        let redis_url = redis.url();
        Self::launch_with_redis(database_url, redis, redis_url, options).await
    }

    async fn launch_with_redis(
        database_url: &str,
        redis: Private<stack::Redis>,
        redis_url: String,
        options: &[&str],
    ) -> Self {
        let RunningServer { url, operator_url, token } =
            start_server(database_url, &redis_url, options).await;
        let http = reqwest::Client::new();
        Self { http, url, operator_url, tokens: vec![token], redis, redis_url, database: None }
    }

    /// Stops the api, and starts one with other options on the same Postgres and Redis.
    async fn restart(&mut self, options: &[&str]) {
        self.tokens[0].cancel();
        let database_url = self.database.as_ref().unwrap().url();
        let server = start_server(&database_url, &self.redis_url, options).await;
        (self.url, self.operator_url) = (server.url, server.operator_url);
        self.tokens[0] = server.token;
        self.until_postgres_is("up").await;
    }

    /// Adds a worker.
    async fn with_worker(self) -> Self {
        self.with_worker_options(&[]).await
    }

    async fn with_worker_options(mut self, options: &[&str]) -> Self {
        let fixed = "worker --listen-addr 127.0.0.1 --metrics-port 0 --redis-url";
        let arguments = fixed.split(' ').chain([self.redis_url.as_str()]);
        let config: worker::config::WorkerConfig =
            parse_options(arguments.chain(options.iter().copied()));
        let worker = worker::start(config, recorder()).await.unwrap();
        self.tokens.push(worker.token());
        tokio::spawn(worker.run());
        self
    }

    fn request(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(path).send().await.unwrap()
    }

    async fn get_if_none_match(&self, etag: &str, path: &str) -> Response {
        self.request(path).header("if-none-match", etag).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// Expects an error.
    async fn get_refused(&self, path: &str) -> ApiProblem {
        ApiProblem::from_response(self.get(path).await).await
    }

    fn post(&self, body: impl ToString) -> RequestBuilder {
        let post = self.http.post(format!("{}/values", self.url));
        post.header("content-type", "application/json").body(body.to_string())
    }

    async fn try_submit(&self, index: u32) -> Response {
        self.post(json!({ "index": index.to_string() })).send().await.unwrap()
    }

    /// Expects that the submission is accepted.
    async fn submit(&self, index: u32) -> Value {
        let response = self.try_submit(index).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    async fn submit_all(&self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            self.submit(index).await;
        }
    }

    /// Expects an error.
    async fn submit_refused(&self, index: u32) -> ApiProblem {
        ApiProblem::from_response(self.try_submit(index).await).await
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// The submitted numbers on a page of submissions.
    async fn numbers(&self, path: &str) -> Vec<i64> {
        let rows = self.json(path).await;
        rows.as_array().unwrap().iter().map(|row| row["number"].as_i64().unwrap()).collect()
    }

    async fn submissions(&self) -> Value {
        self.json("/values/all").await
    }

    async fn values(&self) -> Value {
        self.json("/values/current").await
    }

    async fn dead_letters(&self) -> Value {
        self.json("/values/failed").await
    }

    /// All digits of a value.
    async fn digits(&self, index: u32) -> String {
        self.text(&format!("/values/{index}")).await
    }

    async fn readiness(&self) -> Value {
        self.get("/health/ready").await.json().await.unwrap()
    }

    async fn metrics(&self) -> String {
        let metrics = self.http.get(format!("{}/metrics", self.operator_url));
        metrics.send().await.unwrap().text().await.unwrap()
    }

    /// Waits until `/values/current` shows these values.
    async fn until_listed<const N: usize>(&self, values: [(u32, &str); N]) {
        for (index, value) in values {
            let is_shown = async |api: &Self| {
                let current: Value = api.get("/values/current").await.json().await.unwrap();
                current[index.to_string()] == value
            };
            self.until(&format!("{index} shows {value}"), is_shown).await;
        }
    }

    async fn until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        stack::eventually(what, TEST_TIMEOUT, async || condition(self).await.then_some(())).await;
    }

    async fn until_all_done(&self) {
        let is_done =
            async |api: &Self| api.sql("SELECT count(*) FROM indices WHERE NOT done") == "0";
        self.until("all indices are done", is_done).await;
    }

    async fn until_postgres_is(&self, state: &str) {
        let is_state = async |api: &Self| api.readiness().await["postgres"] == state;
        self.until(&format!("Postgres is {state}"), is_state).await;
    }

    /// Waits until Redis replies `reply` to `command`.
    async fn until_redis(&self, what: &str, command: &[&str], reply: usize) {
        self.until(what, async |api| api.redis::<usize>(command).await == reply).await;
    }

    /// Sends a command to Redis on a connection of its own.
    async fn redis<T: redis::FromRedisValue>(
        &self,
        command: &[impl redis::ToRedisArgs + Sync],
    ) -> T {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::Cmd::new().arg(command).query_async(&mut connection).await.unwrap()
    }

    /// Runs SQL, and returns the output of psql.
    fn sql(&self, sql: &str) -> String {
        self.database.as_ref().unwrap().psql(sql).unwrap().trim().to_owned()
    }

    fn submission_count(&self) -> String {
        self.sql(r#"SELECT count(*) FROM "values""#)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        for token in &self.tokens {
            token.cancel();
        }
    }
}

impl ApiProblem {
    async fn from_response(response: Response) -> Self {
        let status = response.status();
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{status}");
        let (retry_after, id) = (header("retry-after"), header("x-request-id").unwrap());
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], status.as_u16());
        assert_eq!(body["request_id"], id);
        Self { status, title: body["title"].as_str().unwrap().to_owned(), retry_after, body }
    }

    /// Expects 503 with Retry-After.
    fn assert_retryable(&self) {
        assert_eq!(self.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(self.retry_after.as_deref(), Some("1"));
    }
}

struct RunningServer {
    url: String,
    operator_url: String,
    token: CancellationToken,
}

async fn start_server(database_url: &str, redis_url: &str, options: &[&str]) -> RunningServer {
    let fixed = "server --listen-addr 127.0.0.1 --port 0 --metrics-port 0 --pg-connections 4";
    let stores = ["--database-url", database_url, "--redis-url", redis_url];
    let arguments = fixed.split(' ').chain(stores).chain(options.iter().copied());
    let config: ServerConfig = parse_options(arguments);
    let server = Server::start(config, recorder()).await.unwrap();
    let [url, operator_url] =
        [server.address, server.operator_address].map(|address| format!("http://{address}"));
    let token = server.lifecycle.token();
    tokio::spawn(server.lifecycle.run());
    RunningServer { url, operator_url, token }
}

/// A recorder that is not installed: concurrent tests would share an installed one.
fn recorder() -> metrics_exporter_prometheus::PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}
