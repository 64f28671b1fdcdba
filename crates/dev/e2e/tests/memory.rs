//! What slow and many clients cost the containers, from as many addresses as it takes: each part stays within the memory that
//! docker-compose.yml gives it. Only what is resident can be measured here; the kernel's share of a connection is reckoned.
//!
//! What clients can do besides being slow and many is in `abuse`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use e2e::{Options, System, edge, eventually, root, template};
use redis::AsyncCommands;
use reqwest::StatusCode;
use stack::{Nginx, descendants, memory, slow_reader};

/// Everything here happens at once, but not on a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// What the kernel takes for one connection, in kB: the socket, its file, what waits in it.
const KERNEL: u64 = 8;

/// The memory of a container, in kB.
fn limit(service: &str) -> u64 {
    let text = std::fs::read_to_string(root().join("docker-compose.yml")).expect("docker-compose.yml");
    let compose: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    let limit = compose["services"][service]["mem_limit"].as_str().expect("a limit");
    limit.strip_suffix('m').and_then(|limit| limit.parse::<u64>().ok()).expect("megabytes") * 1024
}

/// What an nginx and its workers have, in kB; pages that they share are counted for each.
fn resident(edge: &Nginx, field: &str) -> u64 {
    let master = edge.pid().expect("the edge should run");
    let all = descendants(master).into_iter().chain([master]);
    all.map(|pid| memory(pid, field).expect("a process of the edge")).sum()
}

/// A request from one of many addresses, each of which has `each` of them.
fn ask(port: u16, number: usize, each: usize, request: &str) -> TcpStream {
    let address = u32::from(Ipv4Addr::new(127, 1, 0, 1)) + u32::try_from(number / each).expect("an address");
    let mut stream = slow_reader(address.into(), port).expect("the edge should accept");
    stream.set_read_timeout(Some(BOUND)).expect("a timeout");
    // One that the edge has no room for is closed at once.
    let _ = stream.write_all(request.as_bytes());
    stream
}

/// The status of an answer; 0 without one.
fn status(mut stream: &TcpStream) -> u16 {
    let mut start = [0; 12];
    match stream.read_exact(&mut start) {
        Ok(()) => String::from_utf8_lossy(&start[9..]).parse().expect("a status"),
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => 0,
        Err(error) => panic!("no answer: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_slow_readers_of_a_large_number_fit_the_memory_of_every_container() {
    let system = System::start(Options::default()).expect("the system should start");
    // Computed, and in the cache.
    let index = 10_000_000;
    for index in [10, index] {
        assert_eq!(system.submit(index).await.expect("the edge should answer").status(), StatusCode::OK);
        eventually("the value is there", BOUND, async || {
            let answer = system.get(&format!("/api/values/{index}")).await.ok()?;
            (answer.status() == StatusCode::OK).then_some(answer.bytes().await.ok()?)
        })
        .await;
    }
    let request = format!(
        "GET /api/values/{index} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    let port = system.edge().port();
    let readers: Vec<TcpStream> = (0..400).map(|number| ask(port, number, 4, &request)).collect();
    let (readers, statuses) = tokio::task::spawn_blocking(move || {
        let statuses: Vec<u16> = readers.iter().map(status).collect();
        (readers, statuses)
    })
    .await
    .expect("all should be answered");
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    // An api on a busy machine may not get to accept some of them, and the edge gives up for it.
    assert_eq!(count(200) + count(503) + count(504), 400, "{statuses:?}");
    assert!(count(200) > 0 && count(503) > 0, "{statuses:?}");

    let of_edge = resident(system.edge(), "VmHWM");
    let of_api = memory(system.server(0).pid().expect("the api should run"), "VmHWM").expect("a process");
    let client = redis::Client::open(system.redis().url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis should answer");
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await.expect("INFO");
    let of_redis = info.lines().find_map(|line| line.strip_prefix("used_memory_peak:")).expect("a peak");
    let of_redis = of_redis.parse::<u64>().expect("bytes") / 1024;
    println!("{} served: edge {of_edge} kB, api {of_api} kB, Redis {of_redis} kB", count(200));
    assert!(of_edge + 2 * 400 * KERNEL < limit("nginx"), "{of_edge} kB");
    assert!(of_api < limit("api"), "{of_api} kB");
    assert!(of_redis < limit("redis"), "{of_redis} kB");

    // Nobody else notices.
    assert_eq!(system.get("/api/values/10").await.expect("the edge should answer").status(), StatusCode::OK);
    assert_eq!(system.submit(11).await.expect("the edge should answer").status(), StatusCode::OK);
    let _: () = connection.set("unrelated", 1).await.expect("Redis should take it");
    drop(readers);
    eventually("large numbers are served again", BOUND, async || {
        let answer = system.get(&format!("/api/values/{index}")).await.ok()?;
        (answer.status() == StatusCode::OK).then_some(())
    })
    .await;
}

/// An api that answers with the start of something, and never ends it.
fn endless(kind: &'static str, start: &'static str, repeated: usize) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n{}", start.repeat(repeated));
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4_096]);
            // What the kernel does not take now, it is never given.
            let _ = stream.set_nonblocking(true);
            let _ = stream.write(answer.as_bytes());
            open.push(stream);
        }
    });
    port
}

#[test]
fn a_large_number_is_not_compressed_which_would_cost_the_edge_much_for_each_slow_reader() {
    let api = endless("text/plain", "7", 2_000_000);
    let alone = edge(&template(), api, api, 10_000).expect("the edge should start");
    let idle = resident(&alone, "VmRSS");
    let request = "GET /api/values/10000000 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    let mut readers = Vec::new();
    for number in 0..400 {
        // One after the other: the stand-in takes only so many at once.
        let reader = ask(alone.port(), number, 4, request);
        assert_eq!(status(&reader), 200);
        readers.push(reader);
    }
    let each = (resident(&alone, "VmRSS") - idle) / 400;
    println!("a slow reader costs the edge {each} kB");
    // Some 30 kB, and 150 to 250 kB with gzip.
    assert!(each < 80, "{each} kB");
}

#[test]
fn an_edge_with_all_its_connections_at_their_worst_fits_its_container() {
    let port = endless("text/event-stream", "event: reset\n\n", 1);
    let alone = edge(&template(), port, port, 10_000).expect("the edge should start");
    let idle = resident(&alone, "VmRSS");
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
        let now = resident(&alone, "VmRSS");
        println!("{count} {what}: the edge has {now} kB, {} kB without", idle);
        assert!(now + 4_096 * KERNEL < limit("nginx"), "{what}: {now} kB");
        drop(clients);
    }
}

#[test]
fn one_address_has_a_share_of_the_connections_and_no_more() {
    for (path, share) in
        [("/api/values/100000", 4), ("/api/values/99999", 100), ("/api/values/current", 100), ("/", 100)]
    {
        let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
        let port = upstream.local_addr().expect("an address").port();
        let alone = edge(&template(), port, port, 10_000).expect("the edge should start");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // Nobody answers them, so that they stay under way; all have passed when the upstream has all.
        let clients: Vec<TcpStream> = (0..share).map(|_| ask(alone.port(), 0, 1, &request)).collect();
        let held: Vec<_> = (0..share).map(|_| upstream.accept().expect("the edge should connect")).collect();
        assert_eq!(status(&ask(alone.port(), 0, 1, &request)), 429, "{path} beyond {share}");
        let other = ask(alone.port(), 1, 1, &request);
        upstream.accept().expect("the edge should connect for another address");
        drop((clients, held, other));
    }
}
