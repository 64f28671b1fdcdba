//! `up`, `status` and `down` as a person types them, with data of the test's own beside whatever runs in this checkout.
//!
//! What the system does once it is up is for the other tests.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use stack::{Port, descendants, http_get, wait_until};
use tempfile::TempDir;

/// For what takes a moment on a machine that runs other tests.
const BOUND: Duration = Duration::from_secs(30);

/// From submitting to the value. It takes milliseconds; a busy machine gets more.
const CALCULATED: Duration = Duration::from_secs(10);

/// Somebody's `up`, with data and a port of its own. Dropping it takes it down.
struct Person {
    data: TempDir,
    port: u16,
}

impl Person {
    fn new() -> Self {
        let port = Port::free().expect("a port").number();
        Self { data: tempfile::tempdir().expect("a folder"), port }
    }

    fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).env("FIBONACCI_DATA", self.data.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.xtask(args).output().expect("xtask should run")
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {said}\n{complained}");
        said
    }

    fn up(&self, more: &[&str]) -> String {
        self.ok(&[&["up", "--detach", "--port", &self.port.to_string()], more].concat())
    }

    /// Process ids by name, as `up` wrote them down.
    fn pids(&self) -> Vec<(String, u32)> {
        let state = fs::read_to_string(self.data.path().join("state.json")).expect("the state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        // One that has ended and is not yet started again has none.
        let pid = |part: &serde_json::Value| part["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        let name = |part: &serde_json::Value| part["name"].as_str().expect("a name").to_owned();
        let parts = state["services"].as_array().expect("services");
        let mut all: Vec<_> = parts.iter().filter_map(|part| Some((name(part), pid(part)?))).collect();
        all.push(("up".to_owned(), pid(&state).expect("its own process id")));
        all
    }

    fn pid(&self, name: &str) -> Option<u32> {
        self.pids().into_iter().find(|(known, _)| known == name).map(|(_, pid)| pid)
    }

    fn signal(&self, name: &str, signal: Signal) -> u32 {
        let pid = self.pid(name).expect("a part of that name should run");
        send(pid, signal);
        pid
    }

    fn get(&self, path: &str) -> Option<String> {
        let answer = http_get(&format!("http://127.0.0.1:{}{path}", self.port)).ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    fn submit(&self, index: u32) -> String {
        let body = format!("{{\"index\":\"{index}\"}}");
        let head = "POST /api/values HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length:";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the edge should listen");
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).expect("the edge should read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the edge should answer");
        answer
    }

    fn shows(&self, value: &str) {
        wait_until(&format!("{value} is shown"), CALCULATED, || {
            self.get("/api/values/current").is_some_and(|values| values.contains(value))
        })
        .unwrap();
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.xtask(&["down"]).output();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process should be there");
}

fn are_gone(pids: &[(String, u32)]) {
    wait_until("nothing of it runs", BOUND, || pids.iter().all(|(_, pid)| is_gone(*pid))).unwrap();
}

/// Whether it has ended; somebody may still have to notice.
fn is_gone(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn what_was_submitted_is_still_there_after_down_and_up() {
    let person = Person::new();
    let said = person.up(&["--workers", "2"]);
    assert!(said.contains(&format!("http://localhost:{}", person.port)), "{said}");

    let answer = person.submit(10);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"working\":true"), "{answer}");
    person.shows("\"10\":\"55\"");
    let page = person.get("/").expect("the page");
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");

    let status = person.ok(&["status"]);
    for part in ["postgres", "redis", "worker-1", "worker-2", "server", "client", "edge"] {
        let line = status.lines().find(|line| line.trim_start().starts_with(part));
        assert!(line.is_some_and(|line| line.contains(" healthy ")), "{part} in:\n{status}");
    }
    let again = person.up(&[]);
    assert!(again.contains("It runs already"), "{again}");

    let pids = person.pids();
    assert!(person.ok(&["down"]).contains("Stopped"));
    are_gone(&pids);
    assert!(person.ok(&["status"]).contains("Nothing is running"));

    person.up(&[]);
    person.shows("\"10\":\"55\"");
}

#[test]
fn killing_up_leaves_nothing_running_and_it_starts_again_at_once() {
    let person = Person::new();
    person.up(&[]);
    person.submit(20);
    person.shows("\"20\":\"6765\"");
    let pids = person.pids();
    person.signal("up", Signal::KILL);
    person.up(&[]);
    are_gone(&pids);
    person.shows("\"20\":\"6765\"");
}

#[test]
fn up_waits_for_a_postgres_that_is_slow_to_follow_its_killed_up() {
    let person = Person::new();
    person.up(&[]);
    // It cannot end before its own processes have.
    let held = descendants(person.pid("postgres").unwrap());
    held.iter().for_each(|child| send(*child, Signal::STOP));
    person.signal("up", Signal::KILL);
    let quiet = || Stdio::null();
    let port = person.port.to_string();
    let mut up =
        person.xtask(&["up", "--detach", "--port", &port]).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    let log = || fs::read_to_string(person.data.path().join("up.log")).unwrap_or_default();
    wait_until("the new Postgres meets the old one", BOUND, || log().contains("postmaster.pid")).unwrap();
    held.iter().for_each(|child| send(*child, Signal::CONT));
    assert!(up.wait().unwrap().success(), "{}", log());
    assert!(person.get("/api/health/ready").is_some());
}

#[test]
fn a_part_that_dies_is_started_again() {
    let person = Person::new();
    person.up(&[]);
    for part in ["worker", "redis", "edge"] {
        let before = person.signal(part, Signal::KILL);
        wait_until(&format!("{part} runs again and all is healthy"), BOUND, || {
            person.pid(part).is_some_and(|pid| pid != before) && person.run(&["status"]).status.success()
        })
        .unwrap();
    }
}

#[test]
fn a_part_that_hangs_is_unhealthy() {
    let person = Person::new();
    person.up(&[]);
    let worker = person.signal("worker", Signal::STOP);
    let status = person.run(&["status"]);
    send(worker, Signal::CONT);
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stdout).contains(" unhealthy "), "{}", text(&status.stdout));
    assert!(text(&status.stderr).contains("not healthy: worker"), "{}", text(&status.stderr));
}

#[test]
fn a_taken_port_is_one_line_that_says_how_to_choose_another() {
    let person = Person::new();
    let somebody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = somebody.local_addr().expect("an address").port();
    let output = person.run(&["up", "--port", &port.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    let words =
        format!("error: another process uses port {port}; choose another one: cargo xtask up --port ");
    assert!(complaint.starts_with(&words) && complaint.lines().count() == 1, "{complaint}");
    assert!(person.ok(&["status"]).contains("Nothing is running"));
}

#[test]
fn ctrl_c_ends_everything() {
    let person = Person::new();
    let log = person.data.path().join("output");
    let output = fs::File::create(&log).expect("a file");
    let mut up = person
        .xtask(&["up", "--port", &person.port.to_string()])
        .stdout(output.try_clone().expect("a second handle"))
        .stderr(output)
        .spawn()
        .expect("xtask should start");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait_until("it says that it is there", BOUND, || said().contains("Ctrl-C stops everything")).unwrap();
    let pids = person.pids();
    send(up.id(), Signal::INT);
    assert!(up.wait().expect("it should end").success());
    are_gone(&pids);
    assert!(said().contains("everything is stopped"), "{}", said());
    assert!(said().contains("server | "), "each line stands behind its service's name: {}", said());
}
