//! Clients that behave badly: slow ones, half-open ones, large ones. They are cut off, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use e2e::System;
use reqwest::{Method, StatusCode};

/// The edge's patience with a sender is 10 s; a busy machine may take longer to act on it.
const BOUND: Duration = Duration::from_secs(30);

/// Many for a person, few for an edge.
const CONNECTIONS: usize = 200;

fn connect(system: &System, start: &str) -> TcpStream {
    let address = system.url().replace("http://", "");
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
    let system = System::shared().expect("the system should start");
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
        assert!(asked.elapsed() < Duration::from_secs(2), "others wait {:?}", asked.elapsed());
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
    let system = System::shared().expect("the system should start");
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

#[tokio::test]
async fn the_outside_reaches_no_metrics_and_cannot_speak_for_the_edge() {
    let system = System::shared().expect("the system should start");
    for path in ["/metrics", "/api/metrics", "/api//metrics", "/api/%2e%2e/metrics", "/api/../metrics"] {
        let answer = system.get(path).await.expect("the edge should answer");
        let text = answer.text().await.expect("a body");
        assert!(!text.contains("# TYPE") && !text.contains("jobs_taken_total"), "{path}: {text}");
    }
    let answer = system.get("/api/values/current").await.expect("the edge should answer");
    for name in ["x-real-ip", "x-forwarded-for", "x-powered-by", "via"] {
        assert!(!answer.headers().contains_key(name), "{name} is shown to the outside");
    }
    let server = answer.headers()["server"].to_str().expect("a readable header");
    assert_eq!(server, "nginx", "a version is shown");
}
