//! Clients that request a number of megabytes and read it slowly, without an edge in between.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use stack::{http_get, wait_until};

use crate::{ServerProcess, TEST_TIMEOUT, memory_limit};

/// Far more than the memory budget admits.
const READERS: usize = 200;

/// What ten thousand event streams add to the api's memory, in kB.
const STREAMS_KB: u64 = 125 * 1024;

/// The default of MAX_INDEX, and the number of its digits.
const LARGEST: (&str, usize) = ("10000000", 2_089_877);

impl ServerProcess {
    fn redis(&self, command: &[&str]) -> String {
        let client = redis::Client::open(self.redis.url()).unwrap();
        redis::cmd(command[0])
            .arg(&command[1..])
            .query(&mut client.get_connection().unwrap())
            .unwrap()
    }

    /// The status of `GET /values/{index}`; 0 without a response.
    fn status(&self, index: &str) -> u16 {
        let url = format!("{}/values/{index}", self.service.url());
        http_get(&url).map_or(0, |response| response.status)
    }
}

/// Stores the largest number, opens `READERS` slow readers of it, and waits until each has the
/// beginning of its response.
fn slow_readers(server: &ServerProcess) -> Vec<TcpStream> {
    let (index, digits) = LARGEST;
    server.redis(&["SET", &format!("value:{index}"), &"7".repeat(digits)]);
    let path = format!("/values/{index}");
    let accept = |number| if number % 2 == 0 { "text/plain" } else { "application/json" };
    (0..READERS).map(|number| server.slow_request(&path, accept(number))).collect()
}

/// How many of the readers were refused.
fn count_refused(readers: &[TcpStream]) -> usize {
    let is_refused = |mut reader: &TcpStream| {
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        match &status {
            b"HTTP/1.1 200" => false,
            // On a busy machine, some wait too long for a permit.
            b"HTTP/1.1 503" | b"HTTP/1.1 504" => true,
            other => panic!("{}", other.escape_ascii()),
        }
    };
    readers.iter().filter(|reader| is_refused(reader)).count()
}

#[test]
fn slow_readers_of_the_largest_number_fit_the_containers() {
    let server = ServerProcess::start();
    let before = server.memory().resident;
    let readers = slow_readers(&server);
    let refused = count_refused(&readers);
    assert!(refused > 0 && refused < READERS, "{refused}");
    let peak = server.memory().peak;
    println!("{READERS} readers, {refused} refused: {before} kB, then {peak} kB");
    assert!(peak + STREAMS_KB < memory_limit(), "{before} kB became {peak} kB");
    let info = server.redis(&["INFO", "memory"]);
    let redis = info.lines().find_map(|line| line.strip_prefix("used_memory_peak:")).unwrap();
    assert!(redis.parse::<u64>().unwrap() < stack::testing::memory_limit("redis"), "{redis} bytes");
}

#[test]
fn while_slow_readers_hold_all_permits_a_small_number_is_served() {
    let server = ServerProcess::start();
    server.redis(&["SET", "value:1000", &"7".repeat(209)]);
    let readers = slow_readers(&server);
    assert!(count_refused(&readers) > 0);
    assert_eq!(server.status("1000"), 200);
}

#[test]
fn when_slow_readers_have_gone_a_large_number_is_served_again() {
    let server = ServerProcess::start();
    let readers = slow_readers(&server);
    assert!(count_refused(&readers) > 0);
    drop(readers);
    wait_until("a large number is served", TEST_TIMEOUT, || server.status(LARGEST.0) == 200)
        .unwrap();
}

#[test]
fn a_reader_that_takes_its_time_gets_the_whole_number() {
    let server = ServerProcess::start();
    let (index, digits) = LARGEST;
    server.redis(&["SET", &format!("value:{index}"), &"7".repeat(digits)]);
    let mut reader = server.slow_request(&format!("/values/{index}"), "text/plain");
    let mut answer = vec![0; digits];
    let mut got = 0;
    while !answer.get(..got).unwrap().windows(4).any(|end| end == b"\r\n\r\n") {
        got += reader.read(&mut answer[got..]).unwrap();
    }
    let head = String::from_utf8_lossy(&answer[..got]).into_owned();
    assert!(head.contains(&format!("content-length: {digits}")), "{head}");
    let body = head.split_once("\r\n\r\n").unwrap().1.len();
    let mut rest = vec![0; digits - body];
    match reader.read_exact(&mut rest) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => panic!("it was cut off"),
        read => read.unwrap(),
    }
    assert!(rest.iter().all(|digit| *digit == b'7'));
}
