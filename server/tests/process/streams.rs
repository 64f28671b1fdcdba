//! Many open event streams on one api, and a client that opens one and never reads it.

use std::io::{Read, Write};
use std::net::TcpStream;

use stack::wait_until;

use crate::{SOON, Server};

/// As many as the api takes when nobody says otherwise.
const STREAMS: usize = 10_000;

/// The memory of the api's container, in kB.
const LIMIT: u64 = 192 * 1024;

impl Server {
    /// Opens a stream, and returns it with the first line of the answer.
    fn stream(&self) -> (TcpStream, String) {
        let mut stream = self.request("/events");
        let mut start = [0; 512];
        let length = stream.read(&mut start).unwrap();
        let start = String::from_utf8_lossy(&start[..length]).into_owned();
        (stream, start.lines().next().unwrap_or_default().to_owned())
    }

    fn submit(&self, index: u32) {
        let body = format!("{{\"index\":{index}}}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.number())).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(
            stream,
            "POST /values HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Memory in kB: what the process has now (`VmRSS`), or had at most (`VmHWM`).
    fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.service.pid().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap()
    }
}

#[test]
fn ten_thousand_streams_fit_the_containers_memory_and_the_next_is_refused() {
    let server = Server::start();
    let before = server.memory("VmRSS");
    let mut streams = Vec::with_capacity(STREAMS);
    for number in 0..STREAMS {
        let (stream, status) = server.stream();
        assert_eq!(status, "HTTP/1.1 200 OK", "stream {number}");
        streams.push(stream);
    }
    let (_, status) = server.stream();
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");

    server.submit(10);
    let after = server.memory("VmRSS");
    println!("{STREAMS} streams: {} kB each, {after} kB in all", (after - before) / STREAMS as u64);
    assert!(after < LIMIT, "{after} kB");

    // Those that go make room.
    streams.truncate(STREAMS / 2);
    wait_until("there is room again", SOON, || server.stream().1 == "HTTP/1.1 200 OK").unwrap();
}

#[test]
fn a_client_that_never_reads_its_stream_costs_little_and_holds_nobody_up() {
    let server = Server::start();
    let (never_read, _) = server.stream();
    let before = server.memory("VmRSS");
    // More than the relay keeps for a listener, and than the system buffers for a connection.
    for index in 0..6_000 {
        server.submit(index);
    }
    let after = server.memory("VmHWM");
    println!("{} kB more than before", after.saturating_sub(before));
    assert!(after - before < 32 * 1024, "{before} kB became {after} kB");
    assert_eq!(server.stream().1, "HTTP/1.1 200 OK", "others are served");
    drop(never_read);
}
