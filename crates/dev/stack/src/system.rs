//! The wiring of the whole system, which `cargo xtask up`, the tests and the benchmark share. No
//! process inherits the environment of the developer's shell, so that it cannot change how the
//! process runs.

use std::net::{Ipv6Addr, TcpListener};
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{
    Builder, Certificate, HttpService, NginxOptions, Output, Port, Postgres, PostgresOptions,
    Process, Proxy, Redis, RedisOptions, Service, http_get, is_healthy, nginx, wait_until,
};

/// Time for a server or worker to become ready on a busy machine, and afterwards for the system.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A server or worker ends within 5 s of SIGTERM. The sixth second is for a busy machine.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

const DATABASE: &str = "fibonacci";

/// Ports for [`SystemOptions::prefer_default_ports`]. Those of Postgres and Redis are not their
/// standard ports, which the developer's own servers may use.
const API_PORT: u16 = 5000;
const CLIENT_PORT: u16 = 3000;
const POSTGRES_PORT: u16 = 25_432;
const REDIS_PORT: u16 = 26_379;

/// Environment variables, or values for the templates of nginx.
pub type Variables = Vec<(&'static str, String)>;

/// How to run the system. The defaults are for tests.
pub struct SystemOptions {
    pub servers: usize,
    pub workers: usize,
    /// Further environment variables of the servers, such as `MAX_INDEX`.
    pub server_env: Variables,
    pub worker_env: Variables,
    /// Postgres and Redis accept TLS with this certificate; servers and workers get the TLS port of
    /// Redis.
    pub tls: Option<Certificate>,
    pub redis_password: Option<String>,
    /// Whether servers and workers connect to Redis through a proxy, which can redirect them.
    pub redis_proxy: bool,
    /// Whether servers connect to Postgres through a proxy, which can redirect them.
    pub postgres_proxy: bool,
    /// Bytes that a worker may allocate (`RLIMIT_DATA`). A worker that needs more dies, as in a
    /// container.
    pub worker_memory: Option<u64>,
    /// `json` or `text`, for servers and workers.
    pub log_format: &'static str,
    pub limits: RequestLimits,
    /// See [`PostgresOptions::throwaway`].
    pub throwaway: bool,
    /// `None` chooses a free port.
    pub edge_port: Option<Port>,
    /// Whether to use the same ports at each start if they are free. Those of api and client are
    /// the ports of their images.
    pub prefer_default_ports: bool,
    /// Returns where the output of a process goes, given the name of the process.
    pub output: fn(&str) -> Output,
}

impl Default for SystemOptions {
    fn default() -> Self {
        Self {
            servers: 1,
            workers: 1,
            server_env: Vec::new(),
            worker_env: Vec::new(),
            tls: None,
            redis_password: None,
            redis_proxy: false,
            postgres_proxy: false,
            worker_memory: None,
            log_format: "json",
            limits: RequestLimits::NONE,
            throwaway: true,
            edge_port: None,
            prefer_default_ports: false,
            output: |_| Output::Captured,
        }
    }
}

/// Limits of the edge for one client address. Requests beyond them get 429.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// As nginx writes it: `100r/s`.
    pub rate: &'static str,
    /// Requests above the rate that are still accepted.
    pub burst: u32,
    /// Concurrent requests.
    pub connections: u32,
}

impl RequestLimits {
    /// The defaults of the edge's image.
    pub const PRODUCTION: Self = Self { rate: "100r/s", burst: 500, connections: 100 };
    /// Higher than any test reaches: all tests share one address.
    pub const NONE: Self = Self { rate: "100000r/s", burst: 10_000, connections: 10_000 };
}

/// All services of one system. Dropping it stops them.
#[derive(Debug)]
pub struct System {
    // Dropped in this order: each service before its dependencies.
    pub edge: HttpService,
    /// The nginx with the page.
    pub client: HttpService,
    pub servers: Vec<AppService>,
    pub workers: Vec<AppService>,
    pub redis: Redis,
    pub redis_proxy: Option<Proxy>,
    pub postgres: Postgres,
    pub postgres_proxy: Option<Proxy>,
}

/// A server or worker: a service that we build, unlike Postgres, Redis and nginx. The port of its
/// [`HttpService`] is that of the api for a server, and the metrics port for a worker.
#[derive(Debug)]
pub struct AppService {
    service: HttpService,
    metrics_port: Port,
}

/// Where a service of the system listens.
pub struct Endpoint<'a> {
    pub service: &'a Service,
    pub address: String,
    /// The URL for [`is_healthy`].
    pub health: String,
}

impl System {
    /// Prepares a system without starting it. The folder `binaries` has the programs `server` and
    /// `worker`, the checkout at `root` has nginx's configuration and the built page, and `data` is
    /// the folder for all data.
    pub fn prepare(
        root: &Path,
        binaries: &Path,
        data: &Path,
        options: &SystemOptions,
    ) -> Result<Self> {
        let choose_port = |default| {
            if options.prefer_default_ports { Port::prefer(default) } else { Port::free() }
        };
        let postgres = PostgresOptions {
            port: Some(choose_port(POSTGRES_PORT)?),
            throwaway: options.throwaway,
            tls: options.tls.clone(),
            output: (options.output)("postgres"),
        };
        let postgres = Postgres::prepare(&data.join("postgres"), postgres)?;
        let postgres_proxy =
            options.postgres_proxy.then(|| Proxy::to(postgres.port())).transpose()?;
        let redis = RedisOptions {
            port: Some(choose_port(REDIS_PORT)?),
            durable: true,
            password: options.redis_password.clone(),
            arguments: Vec::new(),
            tls: options.tls.clone(),
            output: (options.output)("redis"),
        };
        let redis = Redis::prepare(&data.join("redis"), redis)?;
        let redis_port = redis.tls_port().unwrap_or(redis.port());
        let redis_proxy = options.redis_proxy.then(|| Proxy::to(redis_port)).transpose()?;
        let redis_port = redis_proxy.as_ref().map_or(redis_port, Proxy::port);

        let numbered = |name: &str, number, count| {
            if count == 1 { name.to_owned() } else { format!("{name}-{number}") }
        };
        let app_service = |builder: Builder, port: Port, metrics_port: Port, env: &Variables| {
            let output = (options.output)(builder.name());
            let builder = isolated(builder, metrics_port.number())
                .env("REDIS_HOST", "127.0.0.1")
                .env("REDIS_PORT", redis_port.to_string())
                .env("LOG_FORMAT", options.log_format)
                .envs(env.iter().cloned())
                .output(output);
            AppService::new(builder, port, metrics_port)
        };
        let server = |number| {
            let port = choose_port(API_PORT)?;
            let name = numbered("server", number, options.servers);
            let mut env = vec![
                ("PORT", port.number().to_string()),
                ("PGHOST", "127.0.0.1".to_owned()),
                (
                    "PGPORT",
                    postgres_proxy.as_ref().map_or(postgres.port(), Proxy::port).to_string(),
                ),
                ("PGDATABASE", DATABASE.to_owned()),
            ];
            env.extend(options.server_env.iter().cloned());
            let builder = Process::builder(name, binaries.join("server"));
            Ok(app_service(builder, port, Port::free()?, &env))
        };
        let worker = |number| {
            let (name, program) =
                (numbered("worker", number, options.workers), binaries.join("worker"));
            let builder = match options.worker_memory {
                None => Process::builder(name, program),
                Some(limit) => Process::builder(name, "prlimit")
                    .args([&format!("--data={limit}"), "--"])
                    .arg(program),
            };
            let port = Port::free()?;
            Ok(app_service(builder, port.clone(), port, &options.worker_env))
        };
        let servers = (1..=options.servers).map(server).collect::<Result<Vec<_>>>()?;
        let workers = (1..=options.workers).map(worker).collect::<Result<Vec<_>>>()?;

        let mut client = client_options(&root.join("client/dist"));
        client.port = Some(choose_port(CLIENT_PORT)?);
        client.output = (options.output)("client");
        let client = nginx(&root.join("client/nginx"), &data.join("client"), client)?;
        let apis: Vec<u16> = servers.iter().map(|server| server.port()).collect();
        let edge_port = options.edge_port.clone().map_or_else(Port::free, Ok)?;
        let mut edge = edge_options(&apis, client.port(), options.limits);
        // Without IPv6, the edge listens on 127.0.0.1 only.
        if TcpListener::bind((Ipv6Addr::LOCALHOST, edge_port.number())).is_ok() {
            let port = edge_port.number();
            edge.directives.push(("listen", format!("127.0.0.1:{port}; listen [::1]:{port}")));
        }
        edge.port = Some(edge_port);
        edge.output = (options.output)("edge");
        let edge = nginx(&root.join("nginx"), &data.join("edge"), edge)?;
        Ok(Self { edge, client, servers, workers, redis, redis_proxy, postgres, postgres_proxy })
    }

    /// Starts all services in order, with the existing data, and returns when the system is ready.
    /// Fails as soon as `interrupted` returns true.
    pub fn start(&self, interrupted: &dyn Fn() -> bool) -> Result<()> {
        for Endpoint { service, .. } in self.endpoints() {
            service.launch()?;
            service.wait_ready_unless(interrupted)?;
            if service.name() == "postgres" {
                self.postgres.create_database(DATABASE)?;
            }
        }
        let is_ready = || {
            let response = http_get(&format!("{}/api/health/ready", self.edge.url()));
            response.is_ok_and(|response| response.body.contains(r#""status":"ready""#))
        };
        wait_until("the system is ready", READY_TIMEOUT, || interrupted() || is_ready())?;
        ensure!(!interrupted(), "interrupted");
        Ok(())
    }

    /// Stops all services in reverse order, and keeps the data for another [`System::start`]. Stops
    /// the others even after an error, which it returns at the end. A server or worker whose exit
    /// code is not 0 is an error too.
    pub fn stop(&self) -> Result<()> {
        let mut outcome = Ok(());
        for Endpoint { service, .. } in self.endpoints().into_iter().rev() {
            let (name, log) = (service.name(), service.tail());
            let is_app_service = name.starts_with("server") || name.starts_with("worker");
            let stopped = service.stop().and_then(|status| match status {
                Some(status) if is_app_service && !status.success() => {
                    bail!("{name} ended with {status}:\n{log}")
                }
                _ => Ok(()),
            });
            outcome = outcome.and(stopped);
        }
        outcome
    }

    /// All services, in the order in which they start. Workers start before servers, so that a
    /// server never reports that there is no worker.
    pub fn endpoints(&self) -> Vec<Endpoint<'_>> {
        let database = self.postgres.url(DATABASE);
        let nginx_health = |nginx: &HttpService| format!("{}/nginx-health", nginx.url());
        let mut all = vec![
            endpoint(&self.postgres, &database, &database),
            endpoint(&self.redis, &self.redis.url(), &self.redis.url()),
        ];
        all.extend(self.workers.iter().chain(&self.servers).map(|service| {
            let address = service.url();
            endpoint(service, &address, &format!("{address}/health/ready"))
        }));
        let edge = format!("http://localhost:{}", self.edge.port());
        all.push(endpoint(&self.client, &self.client.url(), &nginx_health(&self.client)));
        all.push(endpoint(&self.edge, &edge, &nginx_health(&self.edge)));
        all
    }

    pub fn app_services(&self) -> impl Iterator<Item = &AppService> {
        self.servers.iter().chain(&self.workers)
    }

    pub fn psql(&self, sql: &str) -> Result<String> {
        self.postgres.psql(DATABASE, sql)
    }
}

/// Clears the environment of a server or worker, and makes it listen on 127.0.0.1, with its metrics
/// on `metrics_port`.
pub fn isolated(builder: Builder, metrics_port: u16) -> Builder {
    builder
        .env_clear()
        .env("LISTEN_ADDR", "127.0.0.1")
        .env("METRICS_PORT", metrics_port.to_string())
        .stop_timeout(STOP_TIMEOUT)
}

impl AppService {
    /// The service counts as ready when `/health/ready` on `port` responds with 200.
    pub fn new(builder: Builder, port: Port, metrics_port: Port) -> Self {
        let ready = |url: &str| is_healthy(&format!("{url}/health/ready"));
        Self { service: HttpService::new(builder, port, READY_TIMEOUT, ready), metrics_port }
    }

    /// Reads `/metrics`.
    pub fn metrics(&self) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics_port.number());
        Ok(http_get(&url)?.body)
    }
}

impl Deref for AppService {
    type Target = HttpService;

    fn deref(&self) -> &HttpService {
        &self.service
    }
}

fn endpoint<'a>(service: &'a Service, address: &str, health: &str) -> Endpoint<'a> {
    Endpoint { service, address: address.to_owned(), health: health.to_owned() }
}

/// Options of the nginx that serves the page from the folder `page`.
pub fn client_options(page: &Path) -> NginxOptions {
    let directives = vec![("root", page.display().to_string())];
    NginxOptions { name: "client".to_owned(), directives, ..NginxOptions::default() }
}

/// Options of an edge that forwards to apis on the ports `apis`, and to the client on the port
/// `client`.
pub fn edge_options(apis: &[u16], client: u16, limits: RequestLimits) -> NginxOptions {
    // max_fails=0: when all servers have restarted, the next request must reach one at once.
    let upstream = |port: &u16| format!("server 127.0.0.1:{port} max_fails=0;");
    let variables = [
        ("API_SERVERS", apis.iter().map(upstream).collect()),
        ("CLIENT_SERVERS", upstream(&client)),
        ("REQUEST_RATE", limits.rate.to_owned()),
        ("REQUEST_BURST", limits.burst.to_string()),
        ("REQUEST_CONNECTIONS", limits.connections.to_string()),
        ("REAL_IP_FROM", String::new()),
        ("HTTPS_ONLY", String::new()),
        ("SCRIPT_SRC", String::new()),
    ];
    NginxOptions {
        name: "edge".to_owned(),
        variables: variables.to_vec(),
        ..NginxOptions::default()
    }
}
