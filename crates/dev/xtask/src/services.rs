//! The parts of the running system, in the order of starting: how each is called, where it listens, what it is
//! told. The names of the environment's variables and the health addresses are all that is known of our binaries.
//!
//! They are started and watched by `supervise`.

use std::{
    net::{Ipv6Addr, TcpListener},
    ops::Deref,
    path::Path,
    time::Duration,
};

use anyhow::Result;
use stack::{
    Builder, Nginx, NginxOptions, Output, Port, Postgres, PostgresOptions, Process, Redis, RedisOptions,
    Service, answers,
};

use crate::{artifacts, workspace::Workspace};

/// How long one of our binaries may take until it is healthy: it connects to parts that are up already.
const READY: Duration = Duration::from_secs(60);

/// Our binaries end within 5 s of SIGTERM; one that does not is killed.
const GRACE: Duration = Duration::from_secs(6);

/// The database's name.
const DATABASE: &str = "fibonacci";

/// The ports that each part has when they are free: the api's and the client's are those of the images, the
/// others are away from the usual ones, where a person's own Postgres and Redis are.
const API: u16 = 5000;
const CLIENT: u16 = 3000;
const POSTGRES: u16 = 25_432;
const REDIS: u16 = 26_379;

/// Variables that would lead our binaries to other databases than these.
const REMOVED: [&str; 7] =
    ["DATABASE_URL", "PGSSLMODE", "PGSSLROOTCERT", "PGOPTIONS", "REDIS_URL", "REDIS_PASSWORD", "REDIS_TLS"];

/// What `up` was asked to run.
pub(crate) struct Plan<'a> {
    /// The checkout.
    pub(crate) workspace: &'a Workspace,
    /// The folder of the binaries.
    pub(crate) binaries: &'a Path,
    /// The port of the edge.
    pub(crate) port: &'a Port,
    /// How many workers.
    pub(crate) workers: usize,
}

/// One part of the running system.
pub(crate) struct Part {
    /// Where it listens, for `status`.
    pub(crate) address: String,
    /// Where it says whether it is healthy.
    pub(crate) health: String,
    handle: Box<dyn Deref<Target = Service>>,
    /// Reserved as long as the part is there.
    _ports: Vec<Port>,
}

impl Part {
    /// The process.
    pub(crate) fn service(&self) -> &Service {
        &self.handle
    }
}

/// Starts parts one after the other: `start` is told of each, and returns when it is ready.
pub(crate) fn start_all(
    plan: &Plan<'_>,
    output: impl Fn(&str) -> Output,
    mut start: impl FnMut(Part) -> Result<()>,
) -> Result<()> {
    let data = plan.workspace.data();

    let options = PostgresOptions {
        port: Some(Port::prefer(POSTGRES)?),
        output: output("postgres"),
        ..PostgresOptions::default()
    };
    let postgres = std::rc::Rc::new(Postgres::prepare(&data.join("postgres"), options)?);
    let url = postgres.url(DATABASE);
    start(part(&url, &url, RcPart(postgres.clone()), vec![]))?;
    postgres.create_database(DATABASE)?;

    let options = RedisOptions {
        port: Some(Port::prefer(REDIS)?),
        durable: true,
        output: output("redis"),
        ..RedisOptions::default()
    };
    let redis = Redis::prepare(&data.join("redis"), options)?;
    let (postgres_port, redis_port) = (postgres.port(), redis.port());
    start(part(&redis.url(), &redis.url(), redis, vec![]))?;

    // Workers first, so that the api never reports that it has none.
    for number in 1..=plan.workers {
        let name = if plan.workers == 1 { "worker".to_owned() } else { format!("worker-{number}") };
        let metrics = Port::free()?;
        let health = format!("http://127.0.0.1:{}/health/ready", metrics.number());
        let worker = binary(plan, &name, "worker", redis_port, &metrics).output(output(&name));
        start(part(&health, &health, service(worker, &health), vec![metrics]))?;
    }

    let (api, metrics) = (Port::prefer(API)?, Port::free()?);
    let api_number = api.number();
    let address = format!("http://127.0.0.1:{api_number}");
    let server = binary(plan, "server", "server", redis_port, &metrics)
        .env("PORT", api_number.to_string())
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", postgres_port.to_string())
        .env("PGUSER", "postgres")
        // Not asked for, the connection is trusted; set, so that nobody's own password is sent.
        .env("PGPASSWORD", "")
        .env("PGDATABASE", DATABASE)
        .output(output("server"));
    let health = format!("{address}/health/ready");
    start(part(&address, &health, service(server, &health), vec![api, metrics]))?;

    let root = artifacts::page_dir(plan.workspace).display().to_string();
    let client = Nginx::prepare(
        &plan.workspace.root.join("client/nginx.conf.template"),
        &data.join("client"),
        NginxOptions {
            name: "client".to_owned(),
            port: Some(Port::prefer(CLIENT)?),
            variables: vec![("ROOT".to_owned(), root)],
            output: output("client"),
        },
    )?;
    let client_port = client.port();
    start(part(&client.url(), &nginx_health(&client), client, vec![]))?;

    // As in the image.
    let upstream = |port| format!("server 127.0.0.1:{port} max_fails=0;");
    let edge = Nginx::prepare(
        &plan.workspace.root.join("nginx/nginx.conf.template"),
        &data.join("edge"),
        NginxOptions {
            name: "edge".to_owned(),
            port: Some(plan.port.clone()),
            variables: vec![
                ("LISTEN".to_owned(), listen(plan.port.number())),
                ("API_SERVERS".to_owned(), upstream(api_number)),
                ("CLIENT_SERVERS".to_owned(), upstream(client_port)),
                // As in the image.
                ("REQUEST_RATE".to_owned(), "100r/s".to_owned()),
                ("REQUEST_BURST".to_owned(), "500".to_owned()),
                ("REQUEST_CONNECTIONS".to_owned(), "100".to_owned()),
                ("SCRIPT_SRC".to_owned(), String::new()),
            ],
            output: output("edge"),
        },
    )?;
    start(part(&format!("http://localhost:{}", edge.port()), &nginx_health(&edge), edge, vec![]))
}

fn nginx_health(nginx: &Nginx) -> String {
    format!("{}/nginx-health", nginx.url())
}

/// Postgres is asked for a database after its start, while the supervisor holds it.
struct RcPart(std::rc::Rc<Postgres>);

impl Deref for RcPart {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

fn part(
    address: &str,
    health: &str,
    handle: impl Deref<Target = Service> + 'static,
    ports: Vec<Port>,
) -> Part {
    Part { address: address.to_owned(), health: health.to_owned(), handle: Box::new(handle), _ports: ports }
}

fn service(builder: Builder, health: &str) -> Box<Service> {
    let health = health.to_owned();
    Box::new(Service::new(builder, READY, move || answers(&health)))
}

/// What server and worker have in common.
fn binary(plan: &Plan<'_>, name: &str, program: &str, redis: u16, metrics: &Port) -> Builder {
    let builder = Process::builder(name, plan.binaries.join(program))
        .env("LISTEN_ADDR", "127.0.0.1")
        .env("METRICS_PORT", metrics.number().to_string())
        .env("REDIS_HOST", "127.0.0.1")
        .env("REDIS_PORT", redis.to_string())
        .env("LOG_FORMAT", "text")
        .grace(GRACE);
    REMOVED.iter().fold(builder, |builder, name| builder.env_remove(name))
}

/// The edge listens on all that "localhost" can mean, and on nothing else.
fn listen(port: u16) -> String {
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(_) => format!("127.0.0.1:{port}; listen [::1]:{port}"),
        Err(_) => format!("127.0.0.1:{port}"),
    }
}
