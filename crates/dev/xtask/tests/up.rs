//! Tests of `up`, `status` and `down`, each with its own data and port. The tests of the running
//! system are in `e2e`.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use procfs::process::Process;
use stack::testing::TEST_TIMEOUT;
use stack::{Port, Signal, descendants, http_get, is_running, send_signal, wait_until};
use tempfile::TempDir;

/// Runs commands with its own data and port. Dropping it runs `down`.
struct Developer {
    data: TempDir,
    port: u16,
}

impl Developer {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap(), port: Port::free().unwrap().number() }
    }

    fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).env("FIBONACCI_DATA", self.data.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.xtask(args).output().unwrap()
    }

    fn up_command(&self, more: &[&str]) -> Command {
        self.xtask(&[&["up", "--port", &self.port.to_string()], more].concat())
    }

    fn up(&self, more: &[&str]) -> String {
        succeed(self.up_command(&["--detach"]).args(more))
    }

    /// Process ids by name, as in the state file.
    fn pids(&self) -> Vec<(String, u32)> {
        let state = fs::read_to_string(self.data.path().join("state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        // A service that has ended and was not yet restarted has none.
        let pid = |value: &serde_json::Value| {
            value["pid"].as_u64().map(|pid| u32::try_from(pid).unwrap())
        };
        let named = |service: &serde_json::Value| {
            Some((service["name"].as_str().unwrap().to_owned(), pid(service)?))
        };
        let services = state["services"].as_array().unwrap().iter().filter_map(named);
        services.chain([("up".to_owned(), pid(&state).unwrap())]).collect()
    }

    fn pid(&self, name: &str) -> Option<u32> {
        self.pids().into_iter().find(|(known, _)| known == name).map(|(_, pid)| pid)
    }

    fn signal(&self, name: &str, signal: Signal) -> u32 {
        let pid = self.pid(name).expect("a service of that name should run");
        send_signal(pid, signal).unwrap();
        pid
    }

    fn get(&self, path: &str) -> Option<String> {
        let response = http_get(&format!("http://127.0.0.1:{}{path}", self.port)).ok()?;
        (response.status == 200).then_some(response.body)
    }

    fn submit(&self, index: u32) {
        let body = format!("{{\"index\":\"{index}\"}}");
        let head = "POST /api/values HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length:";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 200") && response.contains("\"working\":true"),
            "{response}"
        );
    }

    fn wait_for_value(&self, value: &str) {
        wait_until(&format!("{value} is listed"), TEST_TIMEOUT, || {
            self.get("/api/values/current").is_some_and(|values| values.contains(value))
        })
        .unwrap();
    }
}

impl Drop for Developer {
    fn drop(&mut self) {
        let _ = self.xtask(&["down"]).output();
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}\n{stderr}");
    stdout
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The line of a service in the output of `status`.
fn line_of<'a>(service: &str, status: &'a str) -> &'a str {
    status.lines().find(|line| line.trim_start().starts_with(service)).unwrap_or_default()
}

fn wait_for_end(pids: &[(String, u32)]) {
    let have_ended = || !pids.iter().any(|(_, pid)| is_running(*pid));
    wait_until("all processes have ended", TEST_TIMEOUT, have_ended).unwrap();
}

#[test]
fn data_survives_down_and_up() {
    let developer = Developer::new();
    let stdout = developer.up(&[]);
    assert!(stdout.contains(&format!("http://localhost:{}", developer.port)), "{stdout}");
    developer.submit(10);
    developer.wait_for_value("\"10\":\"55\"");
    let page = developer.get("/").unwrap();
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");

    let pids = developer.pids();
    assert!(succeed(&mut developer.xtask(&["down"])).contains("Stopped"));
    wait_for_end(&pids);
    assert!(succeed(&mut developer.xtask(&["status"])).contains("Nothing is running"));

    developer.up(&[]);
    developer.wait_for_value("\"10\":\"55\"");
}

#[test]
fn status_lists_every_service() {
    let developer = Developer::new();
    developer.up(&["--workers", "2"]);
    let mut status = String::new();
    wait_until("all services are healthy", TEST_TIMEOUT, || {
        let output = developer.run(&["status"]);
        status = text(&output.stdout);
        output.status.success()
    })
    .unwrap();
    for service in ["postgres", "redis", "worker-1", "worker-2", "server", "client", "edge"] {
        assert!(line_of(service, &status).contains(" healthy "), "{service} in:\n{status}");
    }
}

#[test]
fn a_second_up_reports_that_the_system_runs_already() {
    let developer = Developer::new();
    developer.up(&[]);
    let again = developer.up(&[]);
    assert!(again.contains("It runs already"), "{again}");
}

#[test]
fn output_into_a_closed_pipe_is_no_error() {
    let developer = Developer::new();
    for args in [&["status"][..], &["down"], &["up", "--port", "1", "--workers", "0"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = developer.xtask(args);
        let status = command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
        // 101 is a panic; 2 is clap's code for wrong arguments.
        assert_eq!(status.code(), Some(if args[0] == "up" { 2 } else { 0 }), "{args:?}");
    }
}

#[test]
fn services_inherit_only_the_documented_variables_of_the_shell() {
    let developer = Developer::new();
    let mut up = developer.up_command(&["--detach"]);
    up.env("REDIS_TLS", "true").env("DATABASE_URL", "postgres://nobody:x@127.0.0.1:1/x");
    up.env("PGSSLMODE", "verify-full").env("MAX_QUEUE", "0").env("RUST_LOG", "warn");
    succeed(&mut up);
    for (name, pid) in developer.pids().into_iter().filter(|(name, _)| name != "up") {
        let environ = Process::new(pid.try_into().unwrap()).unwrap().environ().unwrap();
        let value = |variable: &str| environ.get(variable.as_ref() as &std::ffi::OsStr);
        for variable in ["REDIS_TLS", "DATABASE_URL", "PGSSLMODE", "MAX_QUEUE", "HOME"] {
            assert_eq!(value(variable), None, "{variable} of {name}");
        }
        let is_ours = name == "server" || name == "worker";
        let expected = is_ours.then(|| "warn".into());
        assert_eq!(value("RUST_LOG"), expected.as_ref(), "RUST_LOG of {name}");
    }
}

#[test]
fn a_killed_up_leaves_no_process_and_can_be_restarted_at_once() {
    let developer = Developer::new();
    developer.up(&[]);
    developer.submit(20);
    developer.wait_for_value("\"20\":\"6765\"");
    let pids = developer.pids();
    developer.signal("up", Signal::KILL);
    developer.up(&[]);
    wait_for_end(&pids);
    developer.wait_for_value("\"20\":\"6765\"");
}

#[test]
fn up_waits_for_the_postgres_of_a_killed_up_to_end() {
    let developer = Developer::new();
    developer.up(&[]);
    // Postgres cannot end before its child processes.
    let children = descendants(developer.pid("postgres").unwrap());
    children.iter().for_each(|child| send_signal(*child, Signal::STOP).unwrap());
    developer.signal("up", Signal::KILL);
    let mut up = developer.up_command(&["--detach"]);
    let mut up = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let log = || fs::read_to_string(developer.data.path().join("up.log")).unwrap_or_default();
    let refused = || log().contains("postmaster.pid");
    wait_until("the new Postgres is refused", TEST_TIMEOUT, refused).unwrap();
    children.iter().for_each(|child| send_signal(*child, Signal::CONT).unwrap());
    assert!(up.wait().unwrap().success(), "{}", log());
    assert!(developer.get("/api/health/ready").is_some());
}

#[test]
fn a_service_that_dies_is_restarted() {
    let developer = Developer::new();
    developer.up(&[]);
    for service in ["worker", "redis", "edge"] {
        let before = developer.signal(service, Signal::KILL);
        wait_until(&format!("{service} runs again and all is healthy"), TEST_TIMEOUT, || {
            developer.pid(service).is_some_and(|pid| pid != before)
                && developer.run(&["status"]).status.success()
        })
        .unwrap();
    }
}

#[test]
fn a_stopped_service_stays_stopped_until_it_is_started() {
    let developer = Developer::new();
    developer.up(&[]);
    succeed(&mut developer.xtask(&["stop", "worker"]));
    assert_eq!(developer.pid("worker"), None);
    developer.submit(12);
    // Stopping and starting Postgres takes longer than RESTART_DELAY, so a crashed worker would be
    // running again.
    for command in ["stop", "start"] {
        succeed(&mut developer.xtask(&[command, "postgres"]));
    }
    assert_eq!(developer.pid("worker"), None);
    assert!(line_of("worker", &text(&developer.run(&["status"]).stdout)).contains("ended"));
    succeed(&mut developer.xtask(&["start", "worker"]));
    developer.wait_for_value("\"12\":\"144\"");
    let unknown = developer.run(&["stop", "api"]);
    assert_eq!(unknown.status.code(), Some(1));
    let stderr = text(&unknown.stderr);
    assert!(stderr.contains("there is no service api; there are: postgres, redis"), "{stderr}");
}

#[test]
fn all_workers_are_stopped_by_one_name() {
    let developer = Developer::new();
    developer.up(&["--workers", "2"]);
    succeed(&mut developer.xtask(&["stop", "worker"]));
    assert_eq!((developer.pid("worker-1"), developer.pid("worker-2")), (None, None));
    succeed(&mut developer.xtask(&["start", "worker"]));
    assert!(developer.pid("worker-1").is_some() && developer.pid("worker-2").is_some());
}

#[test]
fn the_commands_of_the_lesson_work() {
    let developer = Developer::new();
    developer.up(&[]);
    let lesson = include_str!("../../../../client/src/components/lesson/experiments.rs");
    let commands = lesson.split("\"cargo xtask ").skip(1);
    let commands: Vec<_> = commands.filter_map(|rest| rest.split('"').next()).collect();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands {
        let mut args: Vec<_> = command.split(' ').collect();
        let port = developer.port.to_string();
        if args[0] == "up" {
            args.extend(["--port", &port]);
        }
        succeed(&mut developer.xtask(&args));
    }
    succeed(&mut developer.xtask(&["status"]));
}

#[test]
fn a_service_that_hangs_is_unhealthy() {
    let developer = Developer::new();
    developer.up(&[]);
    let worker = developer.signal("worker", Signal::STOP);
    let status = developer.run(&["status"]);
    send_signal(worker, Signal::CONT).unwrap();
    assert_eq!(status.status.code(), Some(1));
    let (stdout, stderr) = (text(&status.stdout), text(&status.stderr));
    assert!(line_of("worker", &stdout).contains(" unhealthy "), "{stdout}");
    // On a busy machine, other services may not respond in time either.
    assert!(stderr.contains("not healthy: ") && stderr.contains("worker"), "{stderr}");
}

#[test]
fn the_error_of_a_taken_port_shows_how_to_choose_another() {
    let developer = Developer::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = developer.run(&["up", "--port", &port.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    let start = format!(
        "error: another process uses port {port}; choose another one: cargo xtask up --port "
    );
    assert!(stderr.starts_with(&start) && stderr.lines().count() == 1, "{stderr}");
    assert!(succeed(&mut developer.xtask(&["status"])).contains("Nothing is running"));
}

#[test]
fn ctrl_c_ends_everything() {
    let developer = Developer::new();
    let path = developer.data.path().join("output");
    let output = fs::File::create(&path).unwrap();
    let mut up = developer.up_command(&[]);
    let mut up = up.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
    let log = || fs::read_to_string(&path).unwrap_or_default();
    wait_until("it has started", TEST_TIMEOUT, || log().contains("Ctrl-C stops everything"))
        .unwrap();
    let pids = developer.pids();
    send_signal(up.id(), Signal::INT).unwrap();
    assert!(up.wait().unwrap().success());
    wait_for_end(&pids);
    assert!(log().contains("everything is stopped"), "{}", log());
    assert!(log().contains("server | "), "each line follows the name of its service: {}", log());
}
