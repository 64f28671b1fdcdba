//! Clients that behave badly: slow ones, half-open ones, large ones. They are cut off, and nobody else notices.
//!
//! What they cost in memory is in `memory`; how much one address may ask, in `docker`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant, UNIX_EPOCH};

use e2e::{Site, edge, stand_in, template};
use reqwest::{Method, StatusCode};
use stack::{System, slow_reader};

/// The edge's patience with a sender is 10 s; a busy machine may take longer to act on it.
const BOUND: Duration = Duration::from_secs(30);

/// Many for a person, few for an edge.
const CONNECTIONS: usize = 200;

fn connect(system: &System, start: &str) -> TcpStream {
    let address = system.edge.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).expect("the edge should accept");
    stream.set_read_timeout(Some(BOUND)).expect("a timeout");
    stream.write_all(start.as_bytes()).expect("the edge should read");
    stream
}

/// What the edge says before it closes the connection.
fn last_words(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it was not cut off: {error}"),
        _ => String::from_utf8_lossy(&text).into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_half_open_connections_are_cut_off_and_harm_nobody() {
    let system = Site::shared().expect("the system should start");
    let half_a_header = "GET /api/values/current HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let half_a_body = "POST /api/values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                       Content-Length: 100\r\n\r\n{\"index\":";
    let open: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|number| connect(&system, if number % 2 == 0 { half_a_header } else { half_a_body }))
        .collect();

    for _ in 0..20 {
        let asked = Instant::now();
        let answer = system.get("/api/values/current").await.expect("the edge should answer");
        assert_eq!(answer.status(), StatusCode::OK);
        // Well below the time after which the slow ones are cut off: nobody waits for that.
        assert!(asked.elapsed() < Duration::from_secs(8), "others wait {:?}", asked.elapsed());
    }
    tokio::task::spawn_blocking(move || {
        for stream in open {
            let said = last_words(stream);
            assert!(!said.starts_with("HTTP/1.1 2"), "half a request was answered: {said}");
        }
    })
    .await
    .expect("all should be cut off");
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_at_once() {
    let system = Site::shared().expect("the system should start");
    let asked = Instant::now();
    let body = vec![b'7'; 10_000_000];
    let answer = system.request(Method::POST, "/api/values").body(body).send().await;
    // The edge does not read it: what arrives first at the client is the answer, or the end of the connection.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let said = connect_and_announce(&system);
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
}

/// Announces ten megabytes and sends none.
fn connect_and_announce(system: &System) -> String {
    let start = "POST /api/values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Connection: close\r\nContent-Length: 10000000\r\n\r\n";
    last_words(connect(system, start))
}

/// The answer to a request that is sent as it stands here: a client of ours would mend its path first.
fn ask(port: u16, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the edge should accept");
    stream.set_read_timeout(Some(BOUND)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
        .expect("the edge should read");
    last_words(stream)
}

const DETOURS: [&str; 8] = [
    "/metrics",
    "/api/metrics",
    "/api//metrics",
    "/api/../metrics",
    "/api/%2e%2e/metrics",
    "/api/..%2fmetrics",
    "/api/%2e%2e%2fmetrics",
    "/api/values/7/../../../metrics",
];

#[tokio::test]
async fn no_detour_of_a_path_leads_to_the_metrics() {
    let system = Site::shared().expect("the system should start");
    for path in DETOURS {
        let said = ask(system.edge.port(), path, "");
        assert!(said.starts_with("HTTP/1.1 "), "{path}: {said}");
        assert!(!said.contains("# TYPE") && !said.contains("jobs_taken_total"), "{path}: {said}");
    }
    let answer = system.get("/api/values/current").await.expect("the edge should answer");
    for name in ["x-real-ip", "x-forwarded-for", "x-powered-by", "via"] {
        assert!(!answer.headers().contains_key(name), "{name} is shown to the outside");
    }
}

#[test]
fn a_path_goes_to_the_part_that_it_names_once_it_is_plain() {
    let (api, client) = (stand_in("api", "").expect("a port"), stand_in("client", "").expect("a port"));
    let alone = edge(&template(), api, client, 100).expect("the edge should start");
    for (path, part, got) in [
        ("/api/../metrics", "client", "/api/../metrics"),
        ("/api/%2e%2e/metrics", "client", "/api/%2e%2e/metrics"),
        ("/api/values/7/../../../metrics", "client", "/api/values/7/../../../metrics"),
        ("/api//metrics", "api", "/metrics"),
        ("/api/%76alues/7", "api", "/values/7"),
        ("/api/values/7?a=b", "api", "/values/7?a=b"),
        ("/api/values/7%20", "api", "/values/7%20"),
        ("/api/values/7%0d%0aX-Injected:%20yes", "api", "/values/7%0D%0AX-Injected:%20yes"),
    ] {
        let said = ask(alone.port(), path, "");
        let (_, body) = said.split_once("\r\n\r\n").expect("a body");
        assert!(body.starts_with(&format!("{part}\nGET {got} HTTP/1.1\n")), "{path}: {said}");
    }
}

/// What only a proxy may say of a request, as somebody says it who is none.
const LIES: &str = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: elsewhere\r\n\
                    X-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /lie\r\nX-Forwarded-Server: liar\r\n\
                    X-Real-IP: 198.51.100.7\r\nForwarded: for=198.51.100.7;proto=https\r\n\
                    X-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\nX-Request-Start: t=1\r\n\
                    X_Request_Start: t=1\r\nX-Request-Id: a lie\r\n";

/// The values of a header that a stand-in got.
fn got<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    let (_, body) = said.split_once("\r\n\r\n").expect("a body");
    let headers = body.lines().filter_map(|line| line.split_once(": "));
    headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[test]
fn nobody_outside_speaks_for_the_edge() {
    let port = stand_in("upstream", "").expect("a port should be free");
    let alone = edge(&template(), port, port, 100).expect("the edge should start");
    for path in ["/api/values/current", "/api/values/7", "/api/events", "/"] {
        let said = ask(alone.port(), path, LIES);
        for (name, value) in [
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "localhost"),
            ("host", "localhost"),
        ] {
            assert_eq!(got(&said, name), [value], "{name} of {path}: {said}");
        }
        for name in [
            "forwarded",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-forwarded-server",
            "x-original-url",
            "x-rewrite-url",
            "x_request_start",
        ] {
            assert_eq!(got(&said, name), [""; 0], "{name} of {path}");
        }
        let [id] = got(&said, "x-request-id")[..] else { panic!("one id: {said}") };
        assert_eq!(id.len(), 32, "{id}");
        let [start] = got(&said, "x-request-start")[..] else { panic!("one start: {said}") };
        assert!(start.starts_with("t=1") && start.len() > 10, "{start}");
    }
}

#[test]
fn a_load_balancer_in_a_private_network_is_believed() {
    let port = stand_in("upstream", "").expect("a port should be free");
    // An address of this host plays the private network: one that is really private need not be here.
    let text = std::fs::read_to_string(template()).expect("the template should be there");
    let dir = tempfile::tempdir().expect("a folder");
    let mended = dir.path().join("nginx.conf.template");
    assert_eq!(text.matches("10.0.0.0/8").count(), 2, "who is believed is said twice");
    std::fs::write(&mended, text.replace("10.0.0.0/8", "127.0.0.2/32")).expect("a template");
    let alone = edge(&mended, port, port, 100).expect("the edge should start");
    let balancer = slow_reader(Ipv4Addr::new(127, 0, 0, 2), alone.port()).expect("the edge should accept");
    write!(&balancer, "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{LIES}\r\n")
        .expect("a request");
    let said = last_words(balancer);
    assert_eq!(got(&said, "x-real-ip"), ["198.51.100.7"], "{said}");
    assert_eq!(got(&said, "x-forwarded-for"), ["198.51.100.7"], "{said}");
    assert_eq!(got(&said, "x-forwarded-proto"), ["https"], "{said}");
    assert_eq!(got(&said, "forwarded"), [""; 0], "{said}");
}

#[tokio::test]
async fn the_time_at_the_edge_is_the_edges_own() {
    let system = Site::shared().expect("the system should start");
    let before = UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    let body = serde_json::json!({ "index": 12 });
    let request = system.request(Method::POST, "/api/values").header("x-request-start", "t=1").json(&body);
    let answer = request.send().await.expect("the edge should answer");
    let submitted: contract::SubmitResponse = answer.json().await.expect("the contract's answer");
    let after = UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    // The edge's clock has milliseconds, and is read once for all that happens at once.
    let edge = u128::from(submitted.hops.edge);
    assert!((before - 100_000..=after).contains(&edge), "{before} {edge} {after}");
}
