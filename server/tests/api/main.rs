//! Tests of the api over HTTP, each with a Postgres database and a Redis of its own. The api runs
//! within the test's process on a free port; so does a worker, in the tests that want values.

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
    tokens: Vec<CancellationToken>,
    redis: Private<stack::Redis>,
    /// How the api and its worker reach it.
    redis_url: String,
    /// `None` when the Postgres is the test's own.
    database: Option<Arc<Database>>,
}

/// A problem as it came, and what its headers said.
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

    /// Reaches Redis by `redis_url`, such as a proxy's.
    async fn between(
        url: &str,
        redis: Private<stack::Redis>,
        redis_url: String,
        options: &[&str],
    ) -> Self {
        let ([url, operator_url], token) = start_server(url, &redis_url, options).await;
        let http = reqwest::Client::new();
        Self { http, url, operator_url, tokens: vec![token], redis, redis_url, database: None }
    }

    /// Stops the api, and starts one with other options on the same Postgres and Redis.
    async fn restart(&mut self, options: &[&str]) {
        self.tokens[0].cancel();
        let database = self.database.as_ref().unwrap().url();
        ([self.url, self.operator_url], self.tokens[0]) =
            start_server(&database, &self.redis_url, options).await;
        self.until("the schema is there", async |api| api.ready().await["postgres"] == "up").await;
    }

    /// Adds a worker.
    async fn worker(self) -> Self {
        self.worker_with(&[]).await
    }

    /// Adds a worker with further options.
    async fn worker_with(mut self, options: &[&str]) -> Self {
        let fixed = [
            "worker",
            "--listen-addr",
            "127.0.0.1",
            "--metrics-port",
            "0",
            "--redis-url",
            &self.redis_url,
        ];
        let config: worker::config::WorkerConfig =
            parse_options(fixed.iter().chain(options).copied());
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

    /// Asks again with the ETag of a copy.
    async fn get_unless(&self, etag: &str, path: &str) -> Response {
        self.request(path).header("if-none-match", etag).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    async fn refusal(&self, path: &str) -> ApiProblem {
        ApiProblem::of(self.get(path).await).await
    }

    fn post(&self, body: impl ToString) -> RequestBuilder {
        let post = self.http.post(format!("{}/values", self.url));
        post.header("content-type", "application/json").body(body.to_string())
    }

    async fn try_submit(&self, index: u32) -> Response {
        self.post(json!({ "index": index.to_string() })).send().await.unwrap()
    }

    /// Submits an index that must be accepted.
    async fn submit(&self, index: u32) -> Value {
        let answer = self.try_submit(index).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn submit_all(&self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            self.submit(index).await;
        }
    }

    /// Submits an index that must be refused.
    async fn submit_refused(&self, index: u32) -> ApiProblem {
        ApiProblem::of(self.try_submit(index).await).await
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// The numbers of a page of submissions.
    async fn numbers(&self, path: &str) -> Vec<i64> {
        let rows = self.json(path).await;
        rows.as_array().unwrap().iter().map(|row| row["number"].as_i64().unwrap()).collect()
    }

    async fn submissions(&self) -> Value {
        self.json("/values/all").await
    }

    /// The values of the newest indices.
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

    async fn ready(&self) -> Value {
        self.get("/health/ready").await.json().await.unwrap()
    }

    async fn metrics(&self) -> String {
        let metrics = self.http.get(format!("{}/metrics", self.operator_url));
        metrics.send().await.unwrap().text().await.unwrap()
    }

    /// Waits until `/values/current` shows these values.
    async fn until_shown<const N: usize>(&self, values: [(u32, &str); N]) {
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
        self.until("all values were seen", is_done).await;
    }

    async fn until_redis(&self, what: &str, command: &[&str], reply: usize) {
        self.until(what, async |api| api.redis::<usize>(command).await == reply).await;
    }

    /// A Redis command, as any other program may send it.
    async fn redis<T: redis::FromRedisValue>(
        &self,
        command: &[impl redis::ToRedisArgs + Sync],
    ) -> T {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::Cmd::new().arg(command).query_async(&mut connection).await.unwrap()
    }

    /// Runs SQL, and returns what psql prints.
    fn sql(&self, sql: &str) -> String {
        self.database.as_ref().unwrap().psql(sql).unwrap().trim().to_owned()
    }

    fn rows(&self) -> String {
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
    async fn of(answer: Response) -> Self {
        let status = answer.status();
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{status}");
        let (retry_after, id) = (header("retry-after"), header("x-request-id").unwrap());
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], status.as_u16());
        assert_eq!(body["request_id"], id);
        Self { status, title: body["title"].as_str().unwrap().to_owned(), retry_after, body }
    }

    /// 503, and trying again can help.
    fn assert_retryable(&self) {
        assert_eq!(self.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(self.retry_after.as_deref(), Some("1"));
    }
}

/// Starts an api. Returns its address, that of its operator's port, and what stops it.
async fn start_server(
    database: &str,
    redis: &str,
    options: &[&str],
) -> ([String; 2], CancellationToken) {
    let fixed = "server --listen-addr 127.0.0.1 --port 0 --metrics-port 0 --pg-connections 4";
    let stores = ["--database-url", database, "--redis-url", redis];
    let arguments = fixed.split(' ').chain(stores).chain(options.iter().copied());
    let config: ServerConfig = parse_options(arguments);
    let server = Server::start(config, recorder()).await.unwrap();
    let (urls, token) = ([server.address, server.operator_address], server.lifecycle.token());
    tokio::spawn(server.lifecycle.run());
    (urls.map(|address| format!("http://{address}")), token)
}

/// Metrics of one api; the recorder of a process would be shared by tests that run side by side.
fn recorder() -> metrics_exporter_prometheus::PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}
