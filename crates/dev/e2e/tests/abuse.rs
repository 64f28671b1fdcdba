//! Misbehaving clients: slow requests, half requests, large bodies, forged headers. Other clients
//! do not notice them. Their cost in memory is in `memory`, the rate limit of one address in
//! `docker`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant, UNIX_EPOCH};

use e2e::{Site, edge, edge_config, edited_edge_config, stand_in};
use reqwest::{Method, StatusCode};
use stack::slow_reader;
use tempfile::TempDir;

/// The edge's timeout for a request is 10 s; a busy machine may need longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

const CONNECTIONS: usize = 200;

/// Sends the start of a request, or all of it.
fn connect(port: u16, start: &str) -> TcpStream {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the edge should accept");
    stream.set_read_timeout(Some(CLOSE_TIMEOUT)).expect("a timeout");
    stream.write_all(start.as_bytes()).expect("the edge should read");
    stream
}

/// Everything that the edge sends before it closes the connection.
fn read_to_close(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("the connection was not closed: {error}")
        }
        _ => String::from_utf8_lossy(&text).into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_half_sent_requests_time_out_and_delay_nobody() {
    let system = Site::shared();
    let half_a_header = "GET /api/values/current HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let half_a_body = "POST /api/values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                       Content-Length: 100\r\n\r\n{\"index\":";
    let open: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|number| {
            connect(system.edge.port(), if number % 2 == 0 { half_a_header } else { half_a_body })
        })
        .collect();

    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(system.get("/api/values/current").await.status(), StatusCode::OK);
        // Below the timeout of the slow ones: this request did not wait for them.
        assert!(asked.elapsed() < Duration::from_secs(8), "it took {:?}", asked.elapsed());
    }
    tokio::task::spawn_blocking(move || {
        for stream in open {
            let response = read_to_close(stream);
            assert!(!response.starts_with("HTTP/1.1 2"), "half a request was answered: {response}");
        }
    })
    .await
    .expect("all connections should be closed");
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_at_once() {
    let system = Site::shared();
    let asked = Instant::now();
    let body = vec![b'7'; 10_000_000];
    let answer = system.request(Method::POST, "/api/values").body(body).send().await;
    // The edge does not read it. The client sees the response, or that the connection is closed.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let only_headers = "POST /api/values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                        Connection: close\r\nContent-Length: 10000000\r\n\r\n";
    let response = read_to_close(connect(system.edge.port(), only_headers));
    assert!(response.starts_with("HTTP/1.1 413"), "{response}");
}

/// The response to a request with exactly this path: an HTTP client would normalise it.
fn send(port: u16, path: &str, headers: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    read_to_close(connect(port, &request))
}

const SPELLINGS: [&str; 9] = [
    "/metrics",
    "/api/metrics",
    "/api//metrics",
    "/api/../metrics",
    "/api/%2e%2e/metrics",
    "/api/..%2fmetrics",
    "/api/%2e%2e%2fmetrics",
    "/api/values/7/../../../metrics",
    "/api/@api:9000/metrics",
];

#[tokio::test]
async fn no_spelling_of_a_path_leads_to_the_metrics() {
    let system = Site::shared();
    for binary in [&system.servers[0], &system.workers[0]] {
        let metrics = binary.metrics().expect("the operator's port should answer");
        assert!(metrics.contains("# TYPE"), "{metrics}");
    }
    assert_eq!(system.get("/api/metrics").await.status(), StatusCode::NOT_FOUND);
    for path in SPELLINGS {
        let response = send(system.edge.port(), path, "");
        assert!(response.starts_with("HTTP/1.1 "), "{path}: {response}");
        assert!(
            !response.contains("# TYPE") && !response.contains("jobs_taken_total"),
            "{path}: {response}"
        );
    }
    let answer = system.get("/api/values/current").await;
    for name in ["x-real-ip", "x-forwarded-for", "x-powered-by", "via"] {
        assert!(!answer.headers().contains_key(name), "{name} is shown to the outside");
    }
}

#[test]
fn a_path_is_normalised_before_it_is_routed() {
    let (api, client) = (stand_in("api", ""), stand_in("client", ""));
    let alone = edge(&edge_config(), api, client, 100);
    for (path, upstream, passed) in [
        ("/api/../metrics", "client", "/api/../metrics"),
        ("/api/%2e%2e/metrics", "client", "/api/%2e%2e/metrics"),
        ("/api/values/7/../../../metrics", "client", "/api/values/7/../../../metrics"),
        ("/api//metrics", "api", "/metrics"),
        ("/api/%76alues/7", "api", "/values/7"),
        ("/api/values/7?a=b", "api", "/values/7?a=b"),
        ("/api/values/7%20", "api", "/values/7%20"),
        ("/api/values/7%0d%0aX-Injected:%20yes", "api", "/values/7%0D%0AX-Injected:%20yes"),
    ] {
        let response = send(alone.port(), path, "");
        let (_, body) = response.split_once("\r\n\r\n").expect("a body");
        assert!(
            body.starts_with(&format!("{upstream}\nGET {passed} HTTP/1.1\n")),
            "{path}: {response}"
        );
    }
}

/// Headers that only a proxy may set, sent by a client.
const FORGED_HEADERS: &str = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: elsewhere\r\n\
                    X-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /lie\r\nX-Forwarded-Server: liar\r\n\
                    X-Real-IP: 198.51.100.7\r\nForwarded: for=198.51.100.7;proto=https\r\n\
                    X-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\nX-Request-Start: t=1\r\n\
                    X_Request_Start: t=1\r\nX-Request-Id: a lie\r\n";

/// The values of a header in the request that a stand-in received.
fn received<'a>(response: &'a str, name: &str) -> Vec<&'a str> {
    let (_, body) = response.split_once("\r\n\r\n").expect("a body");
    let headers = body.lines().filter_map(|line| line.split_once(": "));
    headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[test]
fn forged_proxy_headers_do_not_reach_an_upstream() {
    let port = stand_in("upstream", "");
    let alone = edge(&edge_config(), port, port, 100);
    for path in ["/api/values/current", "/api/values/7", "/api/events", "/"] {
        let response = send(alone.port(), path, FORGED_HEADERS);
        for (name, value) in [
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "localhost"),
            ("host", "localhost"),
        ] {
            assert_eq!(received(&response, name), [value], "{name} of {path}: {response}");
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
            assert_eq!(received(&response, name), [""; 0], "{name} of {path}");
        }
        let [id] = received(&response, "x-request-id")[..] else {
            panic!("not one id: {response}")
        };
        assert_eq!(id.len(), 32, "{id}");
        let [start] = received(&response, "x-request-start")[..] else {
            panic!("not one start: {response}")
        };
        assert!(start.starts_with("t=1") && start.len() > 10, "{start}");
    }
}

#[test]
fn a_request_for_which_the_edge_has_no_connection_left_is_refused() {
    // It accepts connections and never answers.
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
    let port = upstream.local_addr().expect("an address").port();
    // Each proxied request needs two connections. With an odd number, the last client has none left
    // for its upstream.
    let config = edited_edge_config("worker_connections 2048", "worker_connections 17");
    let alone = edge(config.path(), port, port, 1_000);
    for path in ["/api/values/7", "/"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let clients: Vec<TcpStream> = (0..50).map(|_| connect(alone.port(), &request)).collect();
        let refused = |response: &String| response.starts_with("HTTP/1.1 503");
        let mut responses = clients.into_iter().rev().map(read_to_close);
        let response = responses.find(refused).expect("one should be refused");
        assert!(response.contains("\r\nRetry-After: 1\r\n"), "{response}");
        assert_eq!(response.contains("application/problem+json"), path != "/", "{response}");
    }
}

/// Trusts 127.0.0.2, which stands for a load balancer.
fn trusting_config() -> TempDir {
    edited_edge_config("${REAL_IP_FROM}", "set_real_ip_from 127.0.0.2/32;")
}

fn connect_as_load_balancer(edge: u16) -> TcpStream {
    slow_reader(Ipv4Addr::new(127, 0, 0, 2), edge).expect("the edge should accept")
}

#[test]
fn a_load_balancer_in_a_trusted_network_names_the_client() {
    let port = stand_in("upstream", "");
    let config = trusting_config();
    let alone = edge(config.path(), port, port, 100);
    let balancer = connect_as_load_balancer(alone.port());
    write!(
        &balancer,
        "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{FORGED_HEADERS}\r\n"
    )
    .expect("a request");
    let response = read_to_close(balancer);
    assert_eq!(received(&response, "x-real-ip"), ["198.51.100.7"], "{response}");
    assert_eq!(received(&response, "x-forwarded-for"), ["198.51.100.7"], "{response}");
    assert_eq!(received(&response, "x-forwarded-proto"), ["https"], "{response}");
    assert_eq!(received(&response, "forwarded"), [""; 0], "{response}");
}

#[test]
fn an_ipv6_network_of_64_bits_is_one_client() {
    let port = stand_in("upstream", "");
    let config = trusting_config();
    let alone = edge(config.path(), port, port, 3);
    let is_refused = |client: &str| {
        let balancer = connect_as_load_balancer(alone.port());
        write!(
            &balancer,
            "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: {client}\r\n\r\n"
        )
        .expect("a request");
        read_to_close(balancer).starts_with("HTTP/1.1 429")
    };
    assert!((1..=50).any(|host| is_refused(&format!("2001:db8::{host}"))));
    assert!(!is_refused("2001:db8:0:1::1"));
}

#[test]
fn a_request_that_the_edge_cannot_read_is_refused_with_a_problem() {
    let port = stand_in("upstream", "");
    let alone = edge(&edge_config(), port, port, 100);
    let long = "x".repeat(9_000);
    for (request, status) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        ("GET /api/ HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET /api/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414),
        (format!("GET /api/ HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n"), 400),
    ] {
        let response = read_to_close(connect(alone.port(), &request));
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
        assert!(head.contains("\r\nContent-Type: application/problem+json"), "{response}");
        let problem: contract::Problem = serde_json::from_str(body).expect("a problem");
        assert_eq!(problem.status, status, "{response}");
    }
}

#[test]
fn http_1_0_needs_no_host() {
    let port = stand_in("upstream", "");
    let alone = edge(&edge_config(), port, port, 100);
    let response = read_to_close(connect(alone.port(), "GET /api/ HTTP/1.0\r\n\r\n"));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!(received(&response, "host"), ["localhost"], "{response}");
}

#[tokio::test]
async fn the_time_at_the_edge_is_set_by_the_edge() {
    let system = Site::shared();
    let before = UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    let body = serde_json::json!({ "index": 12 });
    let request =
        system.request(Method::POST, "/api/values").header("x-request-start", "t=1").json(&body);
    let answer = request.send().await.expect("the edge should answer");
    let submitted: contract::SubmitResponse = answer.json().await.expect("the contract's answer");
    let after = UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    // nginx's clock has milliseconds, and is updated once in each turn of its event loop.
    let edge = u128::from(submitted.hops.edge);
    assert!((before - 100_000..=after).contains(&edge), "{before} {edge} {after}");
}
