//! Tests of the api's process: start, shutdown, configuration errors, subcommands, log, metrics,
//! failover and memory. `tests/api` tests the HTTP contract.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod failover;
mod readers;
mod streams;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use stack::testing::{Database, Private, TEST_TIMEOUT, run_until_exit};
use stack::{
    AppService, Builder, Port, Process, ProcessMemory, Signal, isolated, slow_reader, wait_until,
};

/// The first header lines of a submission.
const POST: &str = "POST /values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// Memory limit of the api's container in docker-compose.yml, in kB.
fn memory_limit_kb() -> u64 {
    stack::testing::memory_limit("api") / 1024
}

struct ServerProcess {
    service: AppService,
    redis: Private<stack::Redis>,
    /// `None` when the test has started a Postgres itself.
    _database: Option<Database>,
}

fn builder(port: u16, metrics_port: u16) -> Builder {
    // With a shell's usual soft limit of open files, which the api must raise.
    let builder = Process::builder("server", "prlimit");
    let builder = builder.args(["--nofile=1024:", "--", env!("CARGO_BIN_EXE_server")]);
    isolated(builder, metrics_port).env("PORT", port.to_string())
}

impl ServerProcess {
    fn start() -> Self {
        let database = Database::new().unwrap();
        let server = Self::prepare(database.port(), database.name());
        server.service.start().unwrap();
        Self { _database: Some(database), ..server }
    }

    /// Prepares an api without starting it.
    fn prepare(postgres_port: u16, database: &str) -> Self {
        let redis = stack::testing::redis().unwrap();
        let redis_port = redis.port();
        Self::prepare_with_redis(postgres_port, database, redis, redis_port)
    }

    /// The api connects to `redis_port`, such as a proxy's.
    fn prepare_with_redis(
        postgres_port: u16,
        database: &str,
        redis: Private<stack::Redis>,
        redis_port: u16,
    ) -> Self {
        let (port, metrics_port) = (Port::free().unwrap(), Port::free().unwrap());
        let builder = builder(port.number(), metrics_port.number())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres_port.to_string())
            .env("PGDATABASE", database)
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", redis_port.to_string());
        Self { service: AppService::new(builder, port, metrics_port), redis, _database: None }
    }

    fn memory(&self) -> ProcessMemory {
        stack::memory(self.service.pid().unwrap()).unwrap()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.service.port())).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        stream
    }

    fn request(&self, path: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    }

    /// Sends a request on a connection with the smallest receive window.
    fn slow_request(&self, path: &str, accept: &str) -> TcpStream {
        let mut stream = slow_reader(Ipv4Addr::LOCALHOST, self.service.port()).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n")
            .unwrap();
        stream
    }
}

#[test]
fn an_open_stream_and_an_unfinished_request_do_not_delay_the_shutdown() {
    let server = ServerProcess::start();
    let mut lines = BufReader::new(server.request("/events")).lines();
    assert!(lines.any(|line| line.unwrap() == "event: reset"));
    let mut unfinished = server.connect();
    write!(unfinished, "{POST}Content-Length: 100\r\n\r\n{{").unwrap();

    let signalled = Instant::now();
    let status = server.service.stop().unwrap().unwrap();
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn requests_sent_before_the_shutdown_signal_are_answered() {
    let server = ServerProcess::start();
    let mut idle = server.request("/health/live");
    let mut first = [0; 512];
    let length = idle.read(&mut first).unwrap();
    assert!(first[..length].ends_with(b"alive"), "{}", first[..length].escape_ascii());

    // While the api is frozen, the requests and the signal wait in the kernel.
    server.service.freeze().unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let not_accepted: Vec<TcpStream> = (0..100).map(|_| server.request("/")).collect();
    server.service.signal(Signal::TERM).unwrap();
    server.service.thaw().unwrap();
    for mut stream in not_accepted.into_iter().chain([idle]) {
        let mut response = String::new();
        stream
            .read_to_string(&mut response)
            .unwrap_or_else(|error| panic!("{error} after {response:?}"));
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("Hi"), "{response}");
    }
    wait_until("the api has ended", TEST_TIMEOUT, || server.service.exited().is_some()).unwrap();
    assert_eq!(server.service.exited().unwrap().code(), Some(0));
}

#[test]
fn an_idle_api_shuts_down_at_once() {
    let server = ServerProcess::start();
    let signalled = Instant::now();
    assert_eq!(server.service.stop().unwrap().unwrap().code(), Some(0));
    assert!(signalled.elapsed() < Duration::from_secs(1), "{:?}", signalled.elapsed());
}

#[test]
fn a_port_in_use_is_reported_with_exit_code_1() {
    let server = ServerProcess::start();
    let metrics_port = Port::free().unwrap();
    let second = builder(server.service.port(), metrics_port.number());
    let (code, log) = run_until_exit(&second).unwrap();
    assert_eq!(code, Some(1));
    assert!(log.contains("cannot listen on 127.0.0.1"), "{log}");
}

#[test]
fn the_healthcheck_reports_whether_the_api_is_ready() {
    let server = ServerProcess::start();
    let healthcheck = |port: u16| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        command
            .arg("healthcheck")
            .env_clear()
            .env("PORT", port.to_string())
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(healthcheck(server.service.port()), Some(0));
    assert_eq!(healthcheck(Port::free().unwrap().number()), Some(1));
}

#[test]
fn a_configuration_error_prints_one_line_and_exits_with_code_2() {
    let wrong = "PORT=http MAX_INDEX=-1 MAX_QUEUE=many PGPORT=99999 PGSSLMODE=maybe \
        PG_CONNECTIONS=0 DATABASE_URL=mysql://localhost REDIS_URL=localhost REDIS_TLS=perhaps \
        LISTEN_ADDR=here RUST_LOG=a=b=c CORS_ALLOWED_ORIGINS=a.example PGHOST=postgres:5432 \
        REDIS_HOST=tcp://redis:6379";
    for (variable, value) in wrong.split(' ').filter_map(|pair| pair.split_once('=')) {
        let (code, log) = run_until_exit(&builder(0, 0).env(variable, value))
            .unwrap_or_else(|error| panic!("{variable}={value}: {error}"));
        assert_eq!(code, Some(2), "{variable}: {log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(variable), "{log}");
    }
}

#[test]
fn a_redis_in_cluster_mode_is_a_wrong_configuration() {
    let redis = stack::testing::redis_in_cluster_mode().unwrap();
    let (code, log) = run_until_exit(&builder(0, 0).env("REDIS_URL", redis.url())).unwrap();
    assert_eq!(code, Some(2), "{log}");
    let errors: Vec<_> = log.lines().filter(|line| line.starts_with("configuration: ")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(errors[0].contains("cluster mode"), "{log}");
}

#[test]
fn a_redis_too_small_for_the_largest_value_is_a_wrong_configuration() {
    let redis = stack::testing::redis().unwrap();
    redis.cli(&["CONFIG", "SET", "maxmemory", "2mb"]).unwrap();
    let (code, log) = run_until_exit(&builder(0, 0).env("REDIS_URL", redis.url())).unwrap();
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("configuration: MAX_INDEX is 10000000"), "{log}");
}

#[test]
fn a_redis_that_refuses_writes_is_down_and_logged_once() {
    let server = ServerProcess::start();
    let has_metric = |metric: &str| {
        server.service.metrics().is_ok_and(|metrics| metrics.lines().any(|line| line == metric))
    };
    wait_until("Redis is up", TEST_TIMEOUT, || has_metric("redis_up 1")).unwrap();
    for (max_memory, metric) in [("1", "redis_up 0"), ("0", "redis_up 1")] {
        server.redis.cli(&["CONFIG", "SET", "maxmemory", max_memory]).unwrap();
        wait_until(metric, TEST_TIMEOUT, || has_metric(metric)).unwrap();
    }
    let log = server.service.wait_for_log("redis accepts writes again", TEST_TIMEOUT).unwrap();
    let refusals: Vec<&str> =
        log.lines().filter(|line| line.contains("redis does not accept writes")).collect();
    assert_eq!(refusals.len(), 1, "{log}");
    assert!(refusals[0].contains("\"level\":\"WARN\"") && refusals[0].contains("OOM"), "{log}");
}

#[test]
fn all_submissions_are_kept_by_default_and_counted() {
    let database = Database::new().unwrap();
    database
        .psql("CREATE TABLE values (number INT); INSERT INTO values SELECT generate_series(1, 10)")
        .unwrap();
    let server = ServerProcess::prepare(database.port(), database.name());
    server.service.start().unwrap();
    let are_counted = || {
        server.service.metrics().is_ok_and(|metrics| metrics.contains("\nstored_submissions 10\n"))
    };
    wait_until("the submissions are counted", TEST_TIMEOUT, are_counted).unwrap();
    assert_eq!(database.psql("SELECT count(*) FROM values").unwrap().trim(), "10");
}

#[test]
fn an_operator_lists_and_retries_dead_letters() {
    let redis = stack::testing::redis().unwrap();
    redis
        .cli(&["XADD", "jobs:dead", "1-1", "deliveries", "3", "index", "10", "request_id", "r"])
        .unwrap();
    redis.cli(&["HSET", "jobs:dead:indices", "10", "1-1"]).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        let output =
            command.env_clear().env("REDIS_URL", redis.url()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, listed) = run(&["dead-letters", "list"]);
    let words: Vec<&str> = listed.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!((code, words), (Some(0), vec!["10", "3", "r", "1-1"]));
    let retry = ["dead-letters", "retry", "10"];
    assert_eq!(run(&retry), (Some(0), "10: dead letter deleted\n".to_owned()));
    assert_eq!(run(&retry), (Some(1), "10: no dead letter\n".to_owned()));
    redis.cli(&["XADD", "jobs:dead", "2-1", "deliveries", "3", "index", "20"]).unwrap();
    assert_eq!(run(&["dead-letters", "retry", "--all"]).0, Some(0));
    assert_eq!(redis.cli(&["EXISTS", "jobs:dead"]).unwrap(), "0");
}

#[test]
fn the_help_names_every_variable() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_server")).env_clear().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let variables = "PORT MAX_INDEX PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE \
        DATABASE_URL REDIS_HOST REDIS_PORT REDIS_URL REDIS_PASSWORD LOG_FORMAT RUST_LOG \
        METRICS_PORT CORS_ALLOWED_ORIGINS";
    for variable in variables.split(' ') {
        assert!(help.contains(&format!("[env: {variable}")), "{variable} is missing in\n{help}");
    }
}
