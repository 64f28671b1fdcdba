//! Memory of many open event streams, and of a stream whose client does not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use stack::wait_until;

use crate::{POST, ServerProcess, TEST_TIMEOUT, memory_limit_kb};

/// The default of MAX_STREAMS.
const STREAMS: usize = 10_000;

impl ServerProcess {
    /// Opens a stream. Returns it with the status line.
    fn stream(&self) -> (TcpStream, String) {
        let mut stream = self.request("/events");
        let mut start = [0; 512];
        let length = stream.read(&mut start).unwrap();
        let start = String::from_utf8_lossy(&start[..length]).into_owned();
        (stream, start.lines().next().unwrap_or_default().to_owned())
    }

    /// Submits the index 10.
    fn submit(&self) {
        let mut stream = self.connect();
        write!(stream, "{POST}Connection: close\r\nContent-Length: 12\r\n\r\n{{\"index\":10}}")
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
}

#[test]
fn ten_thousand_streams_fit_into_memory_and_release_it() {
    let server = ServerProcess::start();
    let before = server.memory().resident;
    let mut streams = Vec::with_capacity(STREAMS);
    for number in 0..STREAMS {
        let (stream, status) = server.stream();
        assert_eq!(status, "HTTP/1.1 200 OK", "stream {number}");
        streams.push(stream);
    }
    server.submit();
    let open = server.memory().resident;
    println!("{STREAMS} streams: {} kB each, {open} kB in all", (open - before) / STREAMS as u64);
    assert!(open < memory_limit_kb(), "{open} kB");

    drop(streams);
    let limit = before + (open - before) / 4;
    let released =
        wait_until("the memory is released", TEST_TIMEOUT, || server.memory().resident < limit);
    println!("{before} kB before the streams, {} kB after them", server.memory().resident);
    released.unwrap();
}

/// Number of events while a client does not read: more than the broadcast channel and the socket
/// buffers hold.
const EVENTS: usize = 40_000;

/// Reads a stream until it has sent `expected`.
fn read_until(stream: &mut TcpStream, expected: &str) {
    let mut text = String::new();
    let mut chunk = [0; 64 * 1024];
    // The read timeout is not enough, because heartbeats never end.
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !text.contains(expected) {
        assert!(Instant::now() < deadline, "{expected} did not arrive");
        let length = stream
            .read(&mut chunk)
            .unwrap_or_else(|error| panic!("{expected} did not arrive: {error}"));
        assert!(length > 0, "the stream ended before {expected}");
        // Keep the end, where `expected` may have begun.
        text.drain(..text.len().saturating_sub(expected.len()));
        text += &String::from_utf8_lossy(&chunk[..length]);
    }
}

/// Opens a stream whose client stops reading after the first event.
fn unread_stream(server: &ServerProcess) -> TcpStream {
    let mut stream = server.slow_request("/events", "text/event-stream");
    read_until(&mut stream, "event: reset");
    stream
}

/// Publishes `EVENTS` events, and waits until another client has received the last one.
fn publish_events(server: &ServerProcess) {
    let (mut other_stream, _) = server.stream();
    let client = redis::Client::open(server.redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let request_id = "0123456789abcdef".repeat(16);
    let mut publish = |count: usize, index: u32| {
        let data = format!(r#"{{"id":1,"index":{index},"request_id":"{request_id}"}}"#);
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
    read_until(&mut other_stream, r#""index":8"#);
}

#[test]
fn an_unread_stream_takes_little_memory() {
    let server = ServerProcess::start();
    let _unread = unread_stream(&server);
    let before = server.memory().resident;
    publish_events(&server);
    let after = server.memory().peak;
    assert!(after < before + 32 * 1024, "{before} kB became {after} kB");
}

#[test]
fn a_client_that_missed_events_receives_reset() {
    let server = ServerProcess::start();
    let mut unread = unread_stream(&server);
    publish_events(&server);
    read_until(&mut unread, "event: reset");
}
