//! Many open event streams on one api, and a client that opens one and never reads it.
//!
//! The bound is the memory that the container has in docker-compose.yml. What a stream says is tested in `api`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;

use stack::{slow_reader, wait_until};

use crate::{SOON, ServerProcess, memory_limit};

/// As many as the api takes when nobody says otherwise.
const STREAMS: usize = 10_000;

impl ServerProcess {
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
}

#[test]
fn ten_thousand_streams_fit_the_containers_memory_the_next_is_refused_and_afterwards_it_is_returned() {
    let server = ServerProcess::start();
    let before = server.memory().resident;
    let mut streams = Vec::with_capacity(STREAMS);
    for number in 0..STREAMS {
        let (stream, status) = server.stream();
        assert_eq!(status, "HTTP/1.1 200 OK", "stream {number}");
        streams.push(stream);
    }
    let (_, status) = server.stream();
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");

    server.submit(10);
    let after = server.memory().resident;
    println!("{STREAMS} streams: {} kB each, {after} kB in all", (after - before) / STREAMS as u64);
    assert!(after < memory_limit(), "{after} kB");

    // Those that go make room.
    streams.truncate(STREAMS / 2);
    wait_until("there is room again", SOON, || server.stream().1 == "HTTP/1.1 200 OK").unwrap();
    // And when all are gone, the system has most of the memory again.
    drop(streams);
    let most = before + (after - before) / 4;
    let returned = wait_until("their memory is returned", SOON, || server.memory().resident < most);
    println!("{before} kB before them, {} kB after them", server.memory().resident);
    returned.unwrap();
}

/// Events that happen while somebody does not read: more than the relay keeps for a listener and the system for a connection.
const EVENTS: usize = 40_000;

/// Reads a stream until `what` is there; what was read before it is dropped.
fn read_until(stream: &mut TcpStream, what: &str) {
    let mut text = String::new();
    let mut part = [0; 64 * 1024];
    // Heartbeats go on for ever.
    let deadline = Instant::now() + SOON;
    while !text.contains(what) {
        assert!(Instant::now() < deadline, "{what} did not come");
        let length = stream.read(&mut part).unwrap_or_else(|error| panic!("{what} did not come: {error}"));
        assert!(length > 0, "the stream ended before {what}");
        // All but what may be the beginning of it.
        text.drain(..text.len().saturating_sub(what.len()));
        text += &String::from_utf8_lossy(&part[..length]);
    }
}

#[test]
fn a_client_that_never_reads_its_stream_misses_events_is_told_so_costs_little_and_holds_nobody_up() {
    let server = ServerProcess::start();
    let mut never_read = slow_reader(Ipv4Addr::LOCALHOST, server.port.number()).unwrap();
    never_read.set_read_timeout(Some(SOON)).unwrap();
    write!(never_read, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    read_until(&mut never_read, "event: reset");
    let (mut reads, _) = server.stream();
    let before = server.memory().resident;

    let client = redis::Client::open(server.redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let id = "0123456789abcdef".repeat(16);
    let mut publish = |count: usize, index: u32| {
        let data = format!(r#"{{"id":1,"index":{index},"request_id":"{id}"}}"#);
        let mut pipeline = redis::pipe();
        for _ in 0..count {
            pipeline.publish("results", format!(r#"{{"event":"seen","data":{data}}}"#)).ignore();
        }
        pipeline.exec(&mut connection).unwrap();
    };
    for _ in 0..EVENTS / 1_000 {
        publish(1_000, 7);
    }
    publish(1, 8);
    // Whoever reads gets the last one: all have happened then.
    read_until(&mut reads, r#""index":8"#);
    let after = server.memory().peak;
    println!("{} kB more than before", after.saturating_sub(before));
    assert!(after < before + 32 * 1024, "{before} kB became {after} kB");
    assert_eq!(server.stream().1, "HTTP/1.1 200 OK", "others are served");
    read_until(&mut never_read, "event: reset");
}
