//! Clients that request a value of megabytes and read it slowly, without an edge in between.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use stack::{http_get, wait_until};

use crate::{ServerProcess, TEST_TIMEOUT, memory_limit_kb};

/// Far more than the memory budget allows.
const READERS: usize = 200;

/// Memory of ten thousand event streams in the api, in kB.
const STREAMS_KB: u64 = 125 * 1024;

/// The default of MAX_INDEX.
const LARGEST_INDEX: &str = "10000000";
/// Digits of F([`LARGEST_INDEX`]).
const LARGEST_DIGITS: usize = 2_089_877;

impl ServerProcess {
    fn redis(&self, command: &[&str]) -> String {
        let client = redis::Client::open(self.redis.url()).unwrap();
        redis::cmd(command[0])
            .arg(&command[1..])
            .query(&mut client.get_connection().unwrap())
            .unwrap()
    }

    /// Stores as many digits as the largest value has.
    fn store_largest_value(&self) {
        let key = format!("value:{LARGEST_INDEX}");
        self.redis(&["SET", &key, &"7".repeat(LARGEST_DIGITS)]);
    }

    /// The status of `GET /values/{index}`; 0 without a response.
    fn status(&self, index: &str) -> u16 {
        let url = format!("{}/values/{index}", self.service.url());
        http_get(&url).map_or(0, |response| response.status)
    }
}

/// Stores the largest value, and requests it on `READERS` slow connections.
fn slow_readers(server: &ServerProcess) -> Vec<TcpStream> {
    server.store_largest_value();
    let path = format!("/values/{LARGEST_INDEX}");
    let accept = |number| if number % 2 == 0 { "text/plain" } else { "application/json" };
    (0..READERS).map(|number| server.slow_request(&path, accept(number))).collect()
}

/// Waits until each reader has the start of its response. Returns the number of refused ones.
fn count_refused(readers: &[TcpStream]) -> usize {
    let is_refused = |mut reader: &TcpStream| {
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        match &status {
            b"HTTP/1.1 200" => false,
            // On a busy machine, some requests time out before they get a permit.
            b"HTTP/1.1 503" | b"HTTP/1.1 504" => true,
            other => panic!("{}", other.escape_ascii()),
        }
    };
    readers.iter().filter(|reader| is_refused(reader)).count()
}

#[test]
fn slow_readers_of_the_largest_value_fit_into_memory() {
    let server = ServerProcess::start();
    let before = server.memory().resident;
    let readers = slow_readers(&server);
    let refused = count_refused(&readers);
    assert!(refused > 0 && refused < READERS, "{refused}");
    let peak = server.memory().peak;
    println!("{READERS} readers, {refused} refused: {before} kB, then {peak} kB");
    assert!(peak + STREAMS_KB < memory_limit_kb(), "{before} kB became {peak} kB");
    let info = server.redis(&["INFO", "memory"]);
    let redis = info.lines().find_map(|line| line.strip_prefix("used_memory_peak:")).unwrap();
    assert!(redis.parse::<u64>().unwrap() < stack::testing::memory_limit("redis"), "{redis} bytes");
}

#[test]
fn while_slow_readers_hold_all_permits_a_small_value_is_served() {
    let server = ServerProcess::start();
    server.redis(&["SET", "value:1000", &"7".repeat(209)]);
    let readers = slow_readers(&server);
    assert!(count_refused(&readers) > 0);
    assert_eq!(server.status("1000"), 200);
}

#[test]
fn after_slow_readers_have_disconnected_a_large_value_is_served() {
    let server = ServerProcess::start();
    let readers = slow_readers(&server);
    assert!(count_refused(&readers) > 0);
    drop(readers);
    wait_until("a large value is served", TEST_TIMEOUT, || server.status(LARGEST_INDEX) == 200)
        .unwrap();
}

#[test]
fn a_slow_reader_receives_the_whole_value() {
    let server = ServerProcess::start();
    server.store_largest_value();
    let mut reader = server.slow_request(&format!("/values/{LARGEST_INDEX}"), "text/plain");
    let mut buffer = vec![0; LARGEST_DIGITS];
    let mut length = 0;
    while !buffer[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        length += reader.read(&mut buffer[length..]).unwrap();
    }
    let start = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(start.contains(&format!("content-length: {LARGEST_DIGITS}")), "{start}");
    let (_, start_of_body) = start.split_once("\r\n\r\n").unwrap();
    let mut rest = vec![0; LARGEST_DIGITS - start_of_body.len()];
    match reader.read_exact(&mut rest) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => panic!("the body was cut off"),
        read => read.unwrap(),
    }
    assert!(rest.iter().all(|digit| *digit == b'7'));
}
