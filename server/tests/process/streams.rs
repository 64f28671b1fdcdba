//! The memory of many open event streams, and of one that its client does not read, against the
//! limit of the container in docker-compose.yml.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use stack::wait_until;

use crate::{POST, ServerProcess, TEST_TIMEOUT, memory_limit};

/// The default of MAX_STREAMS.
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

    /// Submits the index 10.
    fn submit(&self) {
        let mut stream = self.connect();
        write!(stream, "{POST}Connection: close\r\nContent-Length: 12\r\n\r\n{{\"index\":10}}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn ten_thousand_streams_fit_the_container_and_their_memory_is_returned() {
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
    assert!(open < memory_limit(), "{open} kB");

    drop(streams);
    let most = before + (open - before) / 4;
    let returned =
        wait_until("their memory is returned", TEST_TIMEOUT, || server.memory().resident < most);
    println!("{before} kB before them, {} kB after them", server.memory().resident);
    returned.unwrap();
}

/// Events while a client does not read: more than the broadcast channel and the socket buffers
/// hold.
const EVENTS: usize = 40_000;

/// Reads a stream until `what` is there; what was read before it is dropped.
fn read_until(stream: &mut TcpStream, what: &str) {
    let mut text = String::new();
    let mut part = [0; 64 * 1024];
    // Heartbeats go on for ever.
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !text.contains(what) {
        assert!(Instant::now() < deadline, "{what} did not come");
        let length =
            stream.read(&mut part).unwrap_or_else(|error| panic!("{what} did not come: {error}"));
        assert!(length > 0, "the stream ended before {what}");
        // All but what may be the beginning of it.
        text.drain(..text.len().saturating_sub(what.len()));
        text += &String::from_utf8_lossy(&part[..length]);
    }
}

/// A stream whose client stops reading after its first event.
fn unread_stream(server: &ServerProcess) -> TcpStream {
    let mut stream = server.slow_request("/events", "text/event-stream");
    read_until(&mut stream, "event: reset");
    stream
}

/// Publishes `EVENTS` events, and waits until another client has received the last one.
fn publish_events(server: &ServerProcess) {
    let (mut other, _) = server.stream();
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
    read_until(&mut other, r#""index":8"#);
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
fn a_client_that_missed_events_is_told_to_fetch_the_lists() {
    let server = ServerProcess::start();
    let mut unread = unread_stream(&server);
    publish_events(&server);
    read_until(&mut unread, "event: reset");
}
