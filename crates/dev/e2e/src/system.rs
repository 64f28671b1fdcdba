//! Every part of the system on free ports of this machine, from the templates and binaries that production uses.
//!
//! A test that only uses the system shares one with the tests beside it ([`System::shared`]); one that harms it
//! starts its own. Dropping a system stops all of it and removes its data.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use stack::testing::Private;
use stack::{
    Nginx, NginxOptions, Output, Port, Postgres, PostgresOptions, Process, Redis, RedisOptions, Service,
    http_get, wait_until,
};

use crate::artifacts;

/// From start to ready, for one of our binaries on a machine that runs several tests at once.
const READY: Duration = Duration::from_secs(30);

/// What Redis may hold: as in docker-compose.yml.
pub const REDIS_MEMORY: &str = "160mb";

/// Variables that would lead our binaries elsewhere when the person who runs the tests has them set.
const FOREIGN: [&str; 6] =
    ["DATABASE_URL", "PGSSLMODE", "PGSSLROOTCERT", "REDIS_URL", "REDIS_PASSWORD", "RUST_LOG"];

/// What a test wants to be different.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many servers the edge spreads requests over.
    pub servers: usize,
    /// How many workers share the queue.
    pub workers: usize,
    /// More variables for the servers: `("MAX_INDEX", "1000")`.
    pub server_env: Vec<(String, String)>,
    /// More variables for the workers.
    pub worker_env: Vec<(String, String)>,
    /// Requests that one address may send, as the edge is told (`1r/m`), and how many it may be ahead of that; so many that none
    /// is refused, when this is not said, because all tests are one address.
    pub requests: Option<(&'static str, u32)>,
    /// As in production: Postgres waits for the disk, and nobody reads the logs of ours as they are written.
    pub production: bool,
    /// Bytes that a worker may take for its data; one that wants more ends, as it would in a container.
    pub worker_memory: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: 1,
            workers: 1,
            server_env: Vec::new(),
            worker_env: Vec::new(),
            requests: None,
            production: false,
            worker_memory: None,
        }
    }
}

impl Options {
    fn output(&self) -> Output {
        if self.production { Output::discarded() } else { Output::kept() }
    }
}

/// One of our binaries, and the port of its metrics.
#[derive(Debug)]
struct Binary {
    service: Service,
    metrics: Port,
}

/// The system, running.
#[derive(Debug)]
pub struct System {
    // Fields are dropped in this order: what needs others goes before them, the folder of all goes last.
    edge: Nginx,
    client: Nginx,
    workers: Vec<Binary>,
    servers: Vec<Binary>,
    server_ports: Vec<u16>,
    redis: Redis,
    postgres: Private<Postgres>,
    http: reqwest::Client,
}

impl System {
    /// Brings up a system of the test's own, and returns when all of it is ready.
    ///
    /// # Errors
    /// With the last lines of the part that did not come up.
    pub fn start(options: Options) -> Result<Self> {
        let postgres = PostgresOptions { throwaway: !options.production, ..Default::default() };
        let postgres = Private::start(|dir| Postgres::prepare(dir, postgres))?;
        let dir = postgres.dir();
        // As in production: what Redis knows survives a restart.
        let as_in_production =
            RedisOptions { durable: true, max_memory: REDIS_MEMORY.to_owned(), ..Default::default() };
        let redis = Redis::prepare(&dir.join("redis"), as_in_production)?;

        let (mut servers, mut server_ports) = (Vec::new(), Vec::new());
        let mut addresses = String::new();
        for number in 1..=options.servers {
            let port = Port::free()?;
            server_ports.push(port.number());
            addresses += &format!("server 127.0.0.1:{} max_fails=0; ", port.number());
            let builder = Process::builder(format!("server {number}"), artifacts::binary("server")?)
                .env("PORT", port.number().to_string())
                .env("PGHOST", "127.0.0.1")
                .env("PGPORT", postgres.port().to_string())
                .env("PGUSER", "postgres")
                .env("PGPASSWORD", "unused")
                .env("PGDATABASE", "postgres");
            let health = format!("http://127.0.0.1:{}/health/ready", port.number());
            let builder = builder.output(options.output());
            let extra = &options.server_env;
            servers.push(Binary::new(builder, &redis, extra, move |_| {
                // The port lives as long as the check, so that nobody takes it while the server is down.
                let _ = &port;
                health.clone()
            })?);
        }
        let mut workers = Vec::new();
        for number in 1..=options.workers {
            let (name, binary) = (format!("worker {number}"), artifacts::binary("worker")?);
            let builder = match options.worker_memory {
                None => Process::builder(name, binary),
                Some(limit) => Process::builder(name, "prlimit")
                    .args([format!("--data={limit}"), "--".to_owned()])
                    .arg(binary),
            };
            let builder = builder.output(options.output());
            let health = |metrics: u16| format!("http://127.0.0.1:{metrics}/health/ready");
            workers.push(Binary::new(builder, &redis, &options.worker_env, health)?);
        }

        let client = nginx(
            &postgres,
            "client",
            "client/nginx.conf.template",
            &[("ROOT", &artifacts::page()?.to_string_lossy())],
        )?;
        let to_client = format!("server 127.0.0.1:{};", client.port());
        let (rate, burst) = options.requests.unwrap_or(("100000r/s", 10_000));
        let edge = nginx(
            &postgres,
            "edge",
            "nginx/nginx.conf.template",
            &[
                ("API_SERVERS", &addresses),
                ("CLIENT_SERVERS", &to_client),
                ("REQUEST_RATE", rate),
                ("REQUEST_BURST", &burst.to_string()),
                ("REQUEST_CONNECTIONS", "10000"),
                ("SCRIPT_SRC", ""),
            ],
        )?;

        // No proxy that the environment names, and no connection kept from before a restart.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(READY).build()?;
        let system = Self { edge, client, workers, servers, server_ports, redis, postgres, http };
        system.run()?;
        Ok(system)
    }

    /// The system that the tests of this process share: the first one starts it, the last one stops it.
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<System>> = Mutex::new(Weak::new());
        // Held while it starts, so that the tests that come meanwhile wait for this one.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(system) = shared.upgrade() {
            return Ok(system);
        }
        let system = Arc::new(Self::start(Options { workers: 2, ..Default::default() })?);
        *shared = Arc::downgrade(&system);
        Ok(system)
    }

    /// Starts everything, on the data that is there, and waits until all of it is ready.
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn run(&self) -> Result<()> {
        self.postgres.restart()?;
        self.redis.start()?;
        for binary in self.servers.iter().chain(&self.workers) {
            binary.service.launch()?;
        }
        for nginx in [&self.client, &self.edge] {
            nginx.start()?;
        }
        for binary in self.servers.iter().chain(&self.workers) {
            binary.service.wait_ready()?;
        }
        wait_until("the edge says that the system is ready", READY, || {
            http_get(&self.address("/api/health/ready"))
                .is_ok_and(|answer| answer.status == 200 && answer.body.contains(r#""status":"ready""#))
        })?;
        Ok(())
    }

    /// Stops everything politely; the data stays, for [`System::run`].
    ///
    /// # Errors
    /// When a part cannot be stopped, or ours did not end with exit code 0.
    pub fn stop(&self) -> Result<()> {
        for nginx in [&self.edge, &self.client] {
            nginx.stop()?;
        }
        for binary in self.workers.iter().chain(&self.servers) {
            let name = binary.service.name().to_owned();
            if let Some(status) = binary.service.stop()? {
                anyhow::ensure!(status.success(), "{name} ended with {status}");
            }
        }
        self.redis.stop()?;
        self.postgres.stop()?;
        Ok(())
    }

    /// The edge's address: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        self.edge.url()
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// A request to the edge.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.address(path))
    }

    /// A GET through the edge.
    ///
    /// # Errors
    /// When nobody answers; any status is a success.
    pub async fn get(&self, path: &str) -> Result<reqwest::Response> {
        self.request(Method::GET, path).send().await.with_context(|| format!("GET {path}"))
    }

    /// Submits an index through the edge.
    ///
    /// # Errors
    /// As [`System::get`].
    pub async fn submit(&self, index: u32) -> Result<reqwest::Response> {
        let body = serde_json::json!({ "index": index.to_string() });
        self.request(Method::POST, "/api/values").json(&body).send().await.context("POST /api/values")
    }

    /// What `/api/values/current` says of an index, if it answers and knows it.
    pub async fn value(&self, index: u32) -> Option<String> {
        let answer = self.get("/api/values/current").await.ok()?;
        let values: serde_json::Value = answer.json().await.ok()?;
        values.get(index.to_string())?.as_str().map(str::to_owned)
    }

    /// The edge.
    #[must_use]
    pub fn edge(&self) -> &Nginx {
        &self.edge
    }

    /// The client's nginx.
    #[must_use]
    pub fn client(&self) -> &Nginx {
        &self.client
    }

    /// Server `number`, from 0.
    #[must_use]
    pub fn server(&self, number: usize) -> &Service {
        &self.servers[number].service
    }

    /// Worker `number`, from 0.
    #[must_use]
    pub fn worker(&self, number: usize) -> &Service {
        &self.workers[number].service
    }

    /// The port of server `number`, which the edge passes requests to.
    #[must_use]
    pub fn server_port(&self, number: usize) -> u16 {
        self.server_ports[number]
    }

    /// The operator's port of server `number`.
    #[must_use]
    pub fn server_metrics(&self, number: usize) -> u16 {
        self.servers[number].metrics.number()
    }

    /// The operator's port of worker `number`.
    #[must_use]
    pub fn worker_metrics(&self, number: usize) -> u16 {
        self.workers[number].metrics.number()
    }

    /// The metrics of server `number`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self, number: usize) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.server_metrics(number));
        Ok(http_get(&url).context("GET /metrics")?.body)
    }

    /// Redis.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// Postgres.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// What all workers wrote.
    #[must_use]
    pub fn worker_logs(&self) -> String {
        self.workers.iter().map(|worker| worker.service.log()).collect()
    }
}

impl Binary {
    /// `health` makes the address that says whether it is ready, from its metrics port.
    fn new(
        mut builder: stack::Builder,
        redis: &Redis,
        extra: &[(String, String)],
        health: impl Fn(u16) -> String + Send + Sync + 'static,
    ) -> Result<Self> {
        let metrics = Port::free()?;
        for name in FOREIGN {
            builder = builder.env_remove(name);
        }
        builder = builder
            .env("LISTEN_ADDR", "127.0.0.1")
            .env("METRICS_PORT", metrics.number().to_string())
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", redis.port().to_string())
            .env("LOG_FORMAT", "json");
        for (name, value) in extra {
            builder = builder.env(name, value);
        }
        let number = metrics.number();
        let ready = move || http_get(&health(number)).is_ok_and(|answer| answer.status == 200);
        Ok(Self { service: Service::new(builder, READY, ready), metrics })
    }
}

fn nginx(
    postgres: &Private<Postgres>,
    name: &str,
    template: &str,
    variables: &[(&str, &str)],
) -> Result<Nginx> {
    let options = NginxOptions {
        name: name.to_owned(),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Default::default()
    };
    Ok(Nginx::prepare(&artifacts::root().join(template), &postgres.dir().join(name), options)?)
}
