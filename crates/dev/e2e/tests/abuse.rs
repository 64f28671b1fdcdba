//! Misbehaving clients: slow and incomplete requests, large bodies, forged headers. Memory use is
//! tested in `memory`, the rate limit in `edge` and `docker`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant, UNIX_EPOCH};

use e2e::{Site, edge_config, edited_edge_config, start_echo_server, start_edge};
use reqwest::{Method, StatusCode};
use stack::slow_reader;
use tempfile::TempDir;

/// The edge's timeout for receiving a request.
const EDGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit for the edge to close a connection, on a busy machine.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

const SLOW_CONNECTIONS: usize = 200;

/// Opens a connection, and sends a request or the start of one.
fn connect(port: u16, request: &str) -> TcpStream {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the edge should accept");
    stream.set_read_timeout(Some(CLOSE_TIMEOUT)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("the edge should read");
    stream
}

/// Reads everything that the edge sends before it closes the connection.
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
async fn slow_and_incomplete_requests_time_out_without_delaying_others() {
    let site = Site::shared();
    let half_header = "GET /api/values/current HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let half_body = "POST /api/values HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"index\":";
    let requests = [half_header, half_body].into_iter().cycle().take(SLOW_CONNECTIONS);
    let open: Vec<TcpStream> = requests.map(|request| connect(site.edge.port(), request)).collect();

    for _ in 0..20 {
        let sent = Instant::now();
        assert_eq!(site.get("/api/values/current").await.status(), StatusCode::OK);
        let margin = Duration::from_secs(2);
        assert!(sent.elapsed() < EDGE_TIMEOUT - margin, "{:?}", sent.elapsed());
    }
    tokio::task::spawn_blocking(move || {
        for stream in open {
            let response = read_to_close(stream);
            assert!(
                !response.starts_with("HTTP/1.1 2"),
                "an incomplete request succeeded: {response}"
            );
        }
    })
    .await
    .expect("all connections should be closed");
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_with_413_at_once() {
    let site = Site::shared();
    let sent = Instant::now();
    let body = vec![b'7'; 10_000_000];
    let response = site.request(Method::POST, "/api/values").body(body).send().await;
    // The edge does not read the body, so the client may get a connection error before it has read
    // the response.
    if let Ok(response) = response {
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    let headers = "POST /api/values HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                   Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n";
    let response = read_to_close(connect(site.edge.port(), headers));
    assert!(response.starts_with("HTTP/1.1 413"), "{response}");
}

/// Sends a GET request with exactly this path, which an HTTP client would normalise. Returns the
/// response.
fn get(port: u16, path: &str, headers: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    read_to_close(connect(port, &request))
}

/// Paths that a misconfigured edge could map to `/metrics` of an upstream.
const METRICS_PATHS: [&str; 9] = [
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
async fn no_path_through_the_edge_reaches_the_metrics() {
    let site = Site::shared();
    for binary in [&site.servers[0], &site.workers[0]] {
        let metrics = binary.metrics().expect("the operator's port should respond");
        assert!(metrics.contains("# TYPE"), "{metrics}");
    }
    assert_eq!(site.get("/api/metrics").await.status(), StatusCode::NOT_FOUND);
    for path in METRICS_PATHS {
        let response = get(site.edge.port(), path, "");
        assert!(response.starts_with("HTTP/1.1 "), "{path}: {response}");
        assert!(
            !response.contains("# TYPE") && !response.contains("jobs_taken_total"),
            "{path}: {response}"
        );
    }
    let response = site.get("/api/values/current").await;
    for name in ["x-real-ip", "x-forwarded-for", "x-powered-by", "via"] {
        assert!(!response.headers().contains_key(name), "the response has {name}");
    }
}

#[test]
fn a_path_is_normalised_before_it_is_routed() {
    let (api, client) = (start_echo_server("api", ""), start_echo_server("client", ""));
    let edge = start_edge(&edge_config(), api, client, 100);
    for (path, upstream, forwarded) in [
        ("/api/../metrics", "client", "/api/../metrics"),
        ("/api/%2e%2e/metrics", "client", "/api/%2e%2e/metrics"),
        ("/api/values/7/../../../metrics", "client", "/api/values/7/../../../metrics"),
        ("/api//metrics", "api", "/metrics"),
        ("/api/%76alues/7", "api", "/values/7"),
        ("/api/values/7?a=b", "api", "/values/7?a=b"),
        ("/api/values/7%20", "api", "/values/7%20"),
        ("/api/values/7%0d%0aX-Injected:%20yes", "api", "/values/7%0D%0AX-Injected:%20yes"),
    ] {
        let response = get(edge.port(), path, "");
        let (_, body) = response.split_once("\r\n\r\n").expect("a body");
        assert!(
            body.starts_with(&format!("{upstream}\nGET {forwarded} HTTP/1.1\n")),
            "{path}: {response}"
        );
    }
}

/// Headers that only a proxy may set.
const FORGED_HEADERS: &str = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\
    X-Forwarded-Host: elsewhere\r\nX-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /lie\r\n\
    X-Forwarded-Server: liar\r\nX-Real-IP: 198.51.100.7\r\n\
    Forwarded: for=198.51.100.7;proto=https\r\nX-Original-URL: /metrics\r\n\
    X-Rewrite-URL: /metrics\r\nX-Request-Start: t=1\r\nX_Request_Start: t=1\r\n\
    X-Request-Id: a lie\r\n";

/// The values of a header in the request that an echo server received.
fn received<'a>(response: &'a str, name: &str) -> Vec<&'a str> {
    let (_, body) = response.split_once("\r\n\r\n").expect("a body");
    let headers = body.lines().filter_map(|line| line.split_once(": "));
    headers.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[test]
fn forged_proxy_headers_do_not_reach_an_upstream() {
    let port = start_echo_server("upstream", "");
    let edge = start_edge(&edge_config(), port, port, 100);
    for path in ["/api/values/current", "/api/values/7", "/api/events", "/"] {
        let response = get(edge.port(), path, FORGED_HEADERS);
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
            panic!("not exactly one id: {response}")
        };
        assert_eq!(id.len(), 32, "{id}");
        let [start] = received(&response, "x-request-start")[..] else {
            panic!("not exactly one start time: {response}")
        };
        assert!(start.starts_with("t=1") && start.len() > 10, "{start}");
    }
}

#[test]
fn an_edge_without_free_connections_refuses_requests_with_503() {
    // It accepts connections but never responds.
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
    let port = upstream.local_addr().expect("an address").port();
    // A proxied request needs two connections. As the number is odd, the edge accepts one client
    // for whose upstream it has no connection left.
    let config = edited_edge_config("worker_connections 2048", "worker_connections 17");
    let edge = start_edge(config.path(), port, port, 1_000);
    for path in ["/api/values/7", "/"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let clients: Vec<TcpStream> = (0..50).map(|_| connect(edge.port(), &request)).collect();
        let is_refused = |response: &String| response.starts_with("HTTP/1.1 503");
        let mut responses = clients.into_iter().rev().map(read_to_close);
        let response = responses.find(is_refused).expect("a request should be refused");
        assert!(response.contains("\r\nRetry-After: 1\r\n"), "{response}");
        assert_eq!(response.contains("application/problem+json"), path != "/", "{response}");
    }
}

/// An edge configuration that trusts 127.0.0.2, the address of the load balancer.
fn config_with_load_balancer() -> TempDir {
    edited_edge_config("${REAL_IP_FROM}", "set_real_ip_from 127.0.0.2/32;")
}

fn connect_as_load_balancer(edge: u16) -> TcpStream {
    slow_reader(Ipv4Addr::new(127, 0, 0, 2), edge).expect("the edge should accept")
}

#[test]
fn a_trusted_load_balancer_sets_the_client_address() {
    let port = start_echo_server("upstream", "");
    let config = config_with_load_balancer();
    let edge = start_edge(config.path(), port, port, 100);
    let balancer = connect_as_load_balancer(edge.port());
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
fn https_only_redirects_what_a_load_balancer_received_by_http() {
    let port = start_echo_server("upstream", "");
    let config = config_with_load_balancer();
    let template = config.path().join("load_balancer.conf.template");
    let text = std::fs::read_to_string(&template).expect("the template");
    std::fs::write(&template, text.replace("${HTTPS_ONLY}", "true")).expect("the template");
    let edge = start_edge(config.path(), port, port, 100);
    let respond = |peer: TcpStream, headers: &str| {
        let start = "GET /api/values/7?a=b HTTP/1.1\r\nHost: a.example\r\nConnection: close";
        write!(&peer, "{start}\r\n{headers}\r\n").expect("a request");
        read_to_close(peer)
    };
    let forwarded = |scheme: &str| {
        let headers = format!("X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: {scheme}\r\n");
        respond(connect_as_load_balancer(edge.port()), &headers)
    };
    let response = forwarded("http");
    assert!(response.starts_with("HTTP/1.1 308 "), "{response}");
    let location = "\r\nLocation: https://a.example/api/values/7?a=b\r\n";
    assert!(response.contains(location), "{response}");
    let hsts = "\r\nStrict-Transport-Security: max-age=31536000\r\n";
    let response = forwarded("https");
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains(hsts), "{response}");
    // A health check of the load balancer, and a client without a load balancer.
    let health_check = respond(connect_as_load_balancer(edge.port()), "");
    let client = connect(edge.port(), "");
    for response in [health_check, respond(client, "X-Forwarded-Proto: http\r\n")] {
        assert!(response.starts_with("HTTP/1.1 200 ") && !response.contains(hsts), "{response}");
    }
}

#[test]
fn requests_of_one_ipv6_64_network_share_a_rate_limit() {
    let port = start_echo_server("upstream", "");
    let config = config_with_load_balancer();
    let edge = start_edge(config.path(), port, port, 3);
    let is_refused = |client: &str| {
        let balancer = connect_as_load_balancer(edge.port());
        let start = "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close";
        write!(&balancer, "{start}\r\nX-Forwarded-For: {client}\r\n\r\n").expect("a request");
        read_to_close(balancer).starts_with("HTTP/1.1 429")
    };
    assert!((1..=50).any(|host| is_refused(&format!("2001:db8::{host}"))));
    assert!(!is_refused("2001:db8:0:1::1"));
}

#[test]
fn an_invalid_request_is_refused_with_a_problem_document() {
    let port = start_echo_server("upstream", "");
    let edge = start_edge(&edge_config(), port, port, 100);
    let long = "x".repeat(9_000);
    for (request, status) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        ("GET /api/ HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET /api/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414),
        (format!("GET /api/ HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n"), 400),
        ("TRACE /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 405),
        ("POST /api/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: br\r\n\r\n".to_owned(), 501),
        ("GET /api/ HTTP/9.0\r\nHost: localhost\r\n\r\n".to_owned(), 505),
    ] {
        let response = read_to_close(connect(edge.port(), &request));
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
        assert!(head.contains("\r\nContent-Type: application/problem+json"), "{response}");
        let problem: contract::Problem = serde_json::from_str(body).expect("a problem");
        assert_eq!(problem.status, status, "{response}");
    }
}

#[test]
fn an_upstream_that_does_not_respond_is_a_problem_document() {
    // It accepts connections and never responds.
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
    let port = upstream.local_addr().expect("an address").port();
    let config = edited_edge_config("proxy_read_timeout 15s", "proxy_read_timeout 1s");
    let edge = start_edge(config.path(), port, port, 100);
    let request = "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let response = read_to_close(connect(edge.port(), request));
    assert!(response.starts_with("HTTP/1.1 504"), "{response}");
    assert!(response.contains("\r\nContent-Type: application/problem+json"), "{response}");
}

#[test]
fn http_1_0_requests_need_no_host_header() {
    let port = start_echo_server("upstream", "");
    let edge = start_edge(&edge_config(), port, port, 100);
    let response = read_to_close(connect(edge.port(), "GET /api/ HTTP/1.0\r\n\r\n"));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!(received(&response, "host"), ["localhost"], "{response}");
}

#[tokio::test]
async fn the_edge_overwrites_the_request_start_time_of_a_client() {
    let site = Site::shared();
    let before = UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    let body = serde_json::json!({ "index": 12 });
    let request =
        site.request(Method::POST, "/api/values").header("x-request-start", "t=1").json(&body);
    let response = request.send().await.expect("the edge should respond");
    let submitted: contract::SubmitResponse = response.json().await.expect("a submission");
    let after = UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    // nginx reads the time once per iteration of its event loop, in milliseconds.
    let tolerance = 100_000;
    let edge = u128::from(submitted.hops.edge);
    assert!((before - tolerance..=after).contains(&edge), "{before} {edge} {after}");
}
