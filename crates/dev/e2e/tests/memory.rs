//! Memory under slow and many clients, from many addresses: each service stays within the limit of
//! its container in docker-compose.yml. Resident memory is measured; the kernel's memory for a
//! connection is estimated.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use e2e::{Site, edge, edge_config, eventually};
use reqwest::StatusCode;
use stack::testing::{TEST_TIMEOUT, memory_limit};
use stack::{HttpService, ProcessMemory, descendants, memory, slow_reader};

/// Kernel memory of one connection, in kB: the socket, its file, buffered bytes.
const CONNECTION_KILOBYTES: u64 = 8;

/// The memory limit of a container, in kB.
fn limit(service: &str) -> u64 {
    memory_limit(service) / 1024
}

/// Memory of an nginx and its workers, in kB; pages that they share are counted for each.
fn nginx_memory(edge: &HttpService, field: fn(ProcessMemory) -> u64) -> u64 {
    let master = edge.pid().expect("the edge should run");
    let all = descendants(master).into_iter().chain([master]);
    all.map(|pid| field(memory(pid).expect("a process of the edge"))).sum()
}

fn resident(edge: &HttpService) -> u64 {
    nginx_memory(edge, |memory| memory.resident)
}

/// Sends a request from one of many addresses, each of which sends `each` of them.
fn ask(port: u16, number: usize, each: usize, request: &str) -> TcpStream {
    let address =
        u32::from(Ipv4Addr::new(127, 1, 0, 1)) + u32::try_from(number / each).expect("an address");
    let mut stream = slow_reader(address.into(), port).expect("the edge should accept");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    // The edge closes connections that exceed its limits at once.
    let _ = stream.write_all(request.as_bytes());
    stream
}

/// The status of an answer; 0 when the connection was closed without one.
fn status(mut stream: &TcpStream) -> u16 {
    let mut start = [0; 12];
    match stream.read_exact(&mut start) {
        Ok(()) => String::from_utf8_lossy(&start[9..]).parse().expect("a status"),
        Err(error)
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
        {
            0
        }
        Err(error) => panic!("no answer: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_slow_readers_of_a_large_number_fit_every_container() {
    let system = Site::start();
    // Computed, and in the cache.
    let index = 10_000_000;
    for index in [10, index] {
        system.submit(index).await;
        eventually("it is calculated", TEST_TIMEOUT, async || system.digits(index).await).await;
    }
    let request = format!(
        "GET /api/values/{index} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    let port = system.edge.port();
    let readers: Vec<TcpStream> = (0..400).map(|number| ask(port, number, 4, &request)).collect();
    let (readers, statuses) = tokio::task::spawn_blocking(move || {
        let statuses: Vec<u16> = readers.iter().map(status).collect();
        (readers, statuses)
    })
    .await
    .expect("all should be answered");
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    // On a busy machine the api may not accept some of them before the edge's timeout.
    assert_eq!(count(200) + count(503) + count(504), 400, "{statuses:?}");
    assert!(count(200) > 0 && count(503) > 0, "{statuses:?}");

    let of_edge = nginx_memory(&system.edge, |memory| memory.peak);
    let of_api =
        memory(system.servers[0].pid().expect("the api should run")).expect("a process").peak;
    let info = system.redis.cli(&["INFO", "memory"]).expect("Redis should answer");
    let of_redis =
        info.lines().find_map(|line| line.strip_prefix("used_memory_peak:")).expect("a peak");
    let of_redis = of_redis.parse::<u64>().expect("bytes") / 1024;
    println!("{} served: edge {of_edge} kB, api {of_api} kB, Redis {of_redis} kB", count(200));
    assert!(of_edge + 2 * 400 * CONNECTION_KILOBYTES < limit("nginx"), "{of_edge} kB");
    assert!(of_api < limit("api"), "{of_api} kB");
    assert!(of_redis < limit("redis"), "{of_redis} kB");

    // Other requests are served.
    assert_eq!(system.get("/api/values/10").await.status(), StatusCode::OK);
    system.submit(11).await;
    system.redis.cli(&["SET", "unrelated", "1"]).expect("Redis should take it");
    drop(readers);
    eventually("large numbers are served again", TEST_TIMEOUT, async || system.digits(index).await)
        .await;
}

/// Starts an api whose responses have no end.
fn serve_endless(kind: &'static str, start: &'static str, repeated: usize) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n{}", start.repeat(repeated));
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4_096]);
            // Sends as much as the kernel buffers, and no more.
            let _ = stream.set_nonblocking(true);
            let _ = stream.write(answer.as_bytes());
            open.push(stream);
        }
    });
    port
}

#[test]
fn slow_readers_of_a_large_number_cost_the_edge_no_memory_for_compression() {
    let api = serve_endless("text/plain", "7", 2_000_000);
    let alone = edge(&edge_config(), api, api, 10_000);
    let idle = resident(&alone);
    let request =
        "GET /api/values/10000000 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    let mut readers = Vec::new();
    for number in 0..400 {
        // One after the other: the stand-in takes only so many at once.
        let reader = ask(alone.port(), number, 4, request);
        assert_eq!(status(&reader), 200);
        readers.push(reader);
    }
    let each = (resident(&alone) - idle) / 400;
    println!("a slow reader costs the edge {each} kB");
    // Some 30 kB, and 150 to 250 kB with gzip.
    assert!(each < 80, "{each} kB");
}

#[test]
fn an_edge_whose_connections_all_cost_the_most_fits_its_container() {
    let port = serve_endless("text/event-stream", "event: reset\n\n", 1);
    let alone = edge(&edge_config(), port, port, 10_000);
    let idle = resident(&alone);
    let long = "x".repeat(7_900);
    let half_header = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: {long}\r\nX-B: {long}");
    let half_body = format!(
        "POST /api/values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16384\r\n\r\n{long}"
    );
    let stream = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    // More than there are connections; a stream takes two.
    for (what, request, count) in [
        ("event streams", &stream, 3_000),
        ("half headers", &half_header, 7_000),
        ("half bodies", &half_body, 7_000),
    ] {
        let (mut clients, mut open) = (Vec::new(), 0);
        for number in 0..count {
            let client = ask(alone.port(), number, 90, request);
            // Halves of requests get no answer.
            open += usize::from(what == "event streams" && status(&client) == 200);
            clients.push(client);
        }
        assert!(what != "event streams" || open > 1_500, "{open} {what} are open");
        let now = resident(&alone);
        println!("{count} {what}: the edge has {now} kB, {} kB without", idle);
        assert!(now + 4_096 * CONNECTION_KILOBYTES < limit("nginx"), "{what}: {now} kB");
        drop(clients);
    }
}

#[test]
fn one_address_has_a_share_of_the_connections_and_no_more() {
    for (path, share) in [
        ("/api/values/100000", 4),
        ("/api/values/99999", 100),
        ("/api/values/current", 100),
        ("/", 100),
    ] {
        let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
        let port = upstream.local_addr().expect("an address").port();
        let alone = edge(&edge_config(), port, port, 10_000);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // They are not answered, and all have passed the edge when the upstream has all.
        let clients: Vec<TcpStream> =
            (0..share).map(|_| ask(alone.port(), 0, 1, &request)).collect();
        let held: Vec<_> =
            (0..share).map(|_| upstream.accept().expect("the edge should connect")).collect();
        assert_eq!(status(&ask(alone.port(), 0, 1, &request)), 429, "{path} beyond {share}");
        let other = ask(alone.port(), 1, 1, &request);
        upstream.accept().expect("the edge should connect for another address");
        drop((clients, held, other));
    }
}
