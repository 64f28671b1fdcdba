//! Clients that ask for a number of megabytes and do not read it: what they cost, and what others see of them.
//!
//! The bound is the memory that the container has in docker-compose.yml. The edge in between is not here: see `e2e`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use stack::{http_get, slow_reader, wait_until};

use crate::{SOON, ServerProcess, memory_limit};

/// Far more than there is room for.
const READERS: usize = 200;

/// What ten thousand event streams take of the container's memory, in kB, besides what the api has without them.
const STREAMS: u64 = 125 * 1024;

/// The memory of Redis's container, in bytes; what it may store, and what it has for a client that does not take it yet.
const REDIS: u64 = 256 << 20;

/// The largest index that MAX_INDEX allows by itself, and how many digits its number has.
const LARGEST: (&str, usize) = ("10000000", 2_089_877);

impl ServerProcess {
    fn redis(&self, command: &[&str]) -> String {
        let client = redis::Client::open(self.redis.url()).unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query(&mut client.get_connection().unwrap()).unwrap()
    }

    /// Asks for the largest number, and does not read what comes.
    fn slow_reader(&self, accept: &str) -> TcpStream {
        let stream = slow_reader(Ipv4Addr::LOCALHOST, self.port.number()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let (index, _) = LARGEST;
        write!(&stream, "GET /values/{index} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n")
            .unwrap();
        stream
    }
}

#[test]
fn two_hundred_slow_readers_of_a_large_number_fit_the_containers_memory_and_hold_nobody_up_for_ever() {
    let server = ServerProcess::start();
    let (index, digits) = LARGEST;
    server.redis(&["SET", &format!("value:{index}"), &"7".repeat(digits)]);
    server.redis(&["SET", "value:1000", &"7".repeat(209)]);
    let before = server.memory().resident;
    let readers: Vec<TcpStream> = (0..READERS)
        .map(|number| server.slow_reader(if number % 2 == 0 { "text/plain" } else { "application/json" }))
        .collect();

    // Each has the beginning of its answer.
    let mut refused = 0;
    for mut reader in &readers {
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        match &status {
            b"HTTP/1.1 200" => {}
            b"HTTP/1.1 503" => refused += 1,
            other => panic!("{}", other.escape_ascii()),
        }
    }
    let peak = server.memory().peak;
    let info = server.redis(&["INFO", "memory"]);
    let of_redis: u64 =
        info.lines().find_map(|line| line.strip_prefix("used_memory_peak:")).unwrap().parse().unwrap();
    println!(
        "{READERS} readers: {refused} refused; the api {before} kB, then {peak} kB; Redis {of_redis} bytes"
    );
    assert!(refused > 0 && refused < READERS);
    assert!(peak + STREAMS < memory_limit(), "{before} kB became {peak} kB");
    assert!(of_redis < REDIS, "{of_redis} bytes");

    let url = |index: &str| format!("http://127.0.0.1:{}/values/{index}", server.port.number());
    assert_eq!(http_get(&url("1000")).unwrap().status, 200, "small numbers find room");
    drop(readers);
    wait_until("large numbers find room again", SOON, || {
        http_get(&url(index)).is_ok_and(|answer| answer.status == 200)
    })
    .unwrap();
}

#[test]
fn a_reader_that_takes_its_time_gets_the_whole_number() {
    let server = ServerProcess::start();
    let (index, digits) = LARGEST;
    server.redis(&["SET", &format!("value:{index}"), &"7".repeat(digits)]);
    let mut reader = server.slow_reader("text/plain");
    let mut answer = vec![0; digits];
    let mut got = 0;
    // In sips, each as large as what the kernel has for it.
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
