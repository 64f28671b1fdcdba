//! How the edge routes requests, which headers it adds, and what it refuses. The upstreams are the
//! real ones, or echo servers where only the forwarded request matters.

use std::time::Duration;

use e2e::{
    Site, ValueEvents, alerts, dashboard_queries, edge_config, eventually, header_values,
    metric_names, root, start_echo_server, start_edge,
};
use reqwest::{Method, Response, StatusCode};
use stack::client_options;
use stack::testing::nginx;

/// Limit for a log line, a metric, an event or a status, on a busy machine.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(15);

async fn text(response: Response) -> String {
    response.text().await.expect("a body")
}

#[tokio::test]
async fn the_api_prefix_is_stripped_only_as_a_whole_segment() {
    let site = Site::shared();
    let text = async |path| text(site.get(path).await).await;
    let status = async |path| site.get(path).await.status();

    // "/api" alone redirects to the api's root.
    assert_eq!(text("/api/").await, "Hi");
    assert_eq!(text("/api").await, "Hi");
    assert_eq!(status("/api/values/current").await, StatusCode::OK);
    assert_eq!(status("/api/api/values/current").await, StatusCode::NOT_FOUND);

    let page = text("/").await;
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");
    for path in ["/apix", "/apix/values/current", "/how-it-works", "/numbers/7"] {
        assert_eq!(text(path).await, page, "the client should get {path}");
    }
    assert_eq!(status("/client-0123456789abcdef.js").await, StatusCode::NOT_FOUND);
}

/// The path of the WebAssembly file in the page's HTML, which omits quotes where possible.
fn wasm_path(page: &str) -> &str {
    let mut words = page.split(['"', '=', ' ', '>']);
    words.find(|word| word.ends_with(".wasm")).expect("the page should link its wasm file")
}

#[tokio::test]
async fn hashed_files_are_cached_for_a_year_and_the_page_is_not() {
    let site = Site::shared();
    let index = site.get("/").await;
    assert_eq!(header_values(&index, "cache-control"), ["no-cache"]);
    let page = text(index).await;
    let wasm = wasm_path(&page);
    let response = site.get(wasm).await;
    assert_eq!(header_values(&response, "content-type"), ["application/wasm"]);
    assert_eq!(header_values(&response, "cache-control"), ["public, max-age=31536000, immutable"]);
}

#[tokio::test]
async fn a_file_hash_without_leading_zeros_is_recognised() {
    let files = tempfile::tempdir().expect("a folder");
    let client = nginx(&root().join("client/nginx"), client_options(files.path()));
    let client = client.expect("nginx should start");
    let url = client.url();
    let client = Site::new(client, url);
    for (name, cache_control) in [
        ("client-23d52c77554f421_bg.wasm", "public, max-age=31536000, immutable"),
        ("style-9ed48fbe55805725.css", "public, max-age=31536000, immutable"),
        ("plain-face.css", "no-cache"),
    ] {
        std::fs::write(files.path().join(name), "x").expect("the file should be written");
        let response = client.get(&format!("/{name}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert_eq!(header_values(&response, "cache-control"), [cache_control], "{name}");
    }
}

#[tokio::test]
async fn one_request_id_is_in_the_logs_of_edge_server_and_worker() {
    let site = Site::shared();
    let id = "set-by-a-test.1";
    let body = serde_json::json!({ "index": 31 });
    let request = site.request(Method::POST, "/api/values").header("x-request-id", id).json(&body);
    let response = request.send().await.expect("the edge should respond");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_values(&response, "x-request-id"), [id]);
    let submitted: contract::SubmitResponse = response.json().await.expect("a submission");
    assert_eq!(submitted.request_id, id);

    let logs: [(&str, &dyn Fn() -> String); 3] = [
        ("edge", &|| site.edge.log()),
        ("server", &|| site.servers[0].log()),
        ("worker", &|| site.workers[0].log() + &site.workers[1].log()),
    ];
    for (part, log) in logs {
        let what = format!("the log of the {part} has the request id");
        eventually(&what, ARRIVAL_TIMEOUT, async || {
            log().lines().any(|line| request_id(line).as_deref() == Some(id)).then_some(())
        })
        .await;
    }
}

fn request_id(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("request_id")?.as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_malformed_request_id_is_replaced() {
    let site = Site::shared();
    for id in ["with space", "quote\"", "{}", &"x".repeat(65), ""] {
        let request = site.request(Method::GET, "/api/").header("x-request-id", id);
        let response = request.send().await.expect("the edge should respond");
        let [new] = header_values(&response, "x-request-id")[..] else {
            panic!("not exactly one id for {id:?}")
        };
        assert!(
            new.len() == 32 && new.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id:?}: {new}"
        );
    }
}

#[tokio::test]
async fn every_watched_metric_exists_from_the_start_with_a_help_text() {
    // A new system, in which nothing was submitted yet.
    let site = Site::start();
    let expressions = alerts().into_iter().map(|(_, expression)| expression);
    let expressions: Vec<String> = expressions.chain(dashboard_queries()).collect();
    let names = metric_names(&expressions.join("\n"));
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let what = format!("{name} is in the metrics of server or worker");
        // The suffixes are those of the series of a histogram.
        let series = ["", "_count", "_sum", "_bucket"].map(|suffix| format!("{name}{suffix}"));
        let has_series = |line: &str| {
            let mut rests = series.iter().filter_map(|series| line.strip_prefix(series.as_str()));
            rests.any(|rest| rest.starts_with([' ', '{']))
        };
        let metrics = eventually(&what, ARRIVAL_TIMEOUT, async || {
            let mut texts = site.app_services().filter_map(|service| service.metrics().ok());
            texts.find(|text| text.lines().any(has_series))
        })
        .await;
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no help text");
    }
}

#[tokio::test]
async fn the_edge_forwards_events_without_delay() {
    let site = Site::shared();
    let events = site.get("/api/events").await;
    assert_eq!(header_values(&events, "content-type"), ["text/event-stream"]);
    site.submit(33).await;
    let mut values = ValueEvents::new(events);
    let arrival = async {
        // Other tests submit indices, too.
        while values.next().await.expect("an event").expect("the stream should not end").value
            != "3524578"
        {}
    };
    tokio::time::timeout(ARRIVAL_TIMEOUT, arrival).await.expect("the value should arrive");
}

/// The Content-Security-Policy of the page.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The Content-Security-Policy of Swagger UI, which needs inline styles.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Checks that a response has each security header once. Some belong to documents only.
fn check_security_headers(response: &Response, path: &str, is_document: bool) {
    let is_docs = path == "/api/docs" || path.starts_with("/api/docs/");
    let policy = if is_docs { DOCS_POLICY } else { PAGE_POLICY };
    for (name, value, always) in [
        ("x-content-type-options", "nosniff", true),
        ("cross-origin-resource-policy", "same-origin", true),
        ("server", "nginx", true),
        ("x-frame-options", "DENY", false),
        ("referrer-policy", "no-referrer", false),
        ("cross-origin-opener-policy", "same-origin", false),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()", false),
    ] {
        let expected = if always || is_document { vec![value] } else { Vec::new() };
        assert_eq!(header_values(response, name), expected, "{name} of {path}");
    }
    let policies = header_values(response, "content-security-policy");
    assert_eq!(policies.len(), usize::from(is_document), "the policy of {path}");
    if let [found] = policies[..] {
        let found: Vec<_> = found.split(';').map(str::trim).collect();
        assert_eq!(found.join("; "), policy, "{path}");
    }
    assert_eq!(header_values(response, "x-request-id").len(), 1, "{path}");
}

#[tokio::test]
async fn every_response_has_each_security_header_once() {
    let site = Site::shared();
    let page = text(site.get("/").await).await;
    let wasm = wasm_path(&page);
    let script = wasm.replace("_bg.wasm", ".js");
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let http = http.build().expect("a client");
    for (path, status, is_document) in [
        ("/", 200, true),
        ("/how-it-works", 200, true),
        ("/numbers/7", 200, true),
        ("/nowhere", 404, true),
        (wasm, 200, false),
        (&script, 200, false),
        ("/nothing.js", 404, true),
        ("/nginx-health", 200, true),
        ("/api", 308, true),
        ("/api/", 200, true),
        ("/api/docs", 308, true),
        ("/api/docs/", 200, true),
        ("/api/docs/swagger-ui-bundle.js", 200, false),
        ("/api/values/current", 200, false),
        ("/api/values/77", 404, false),
        ("/api/nothing", 404, false),
        ("/api/events", 200, false),
    ] {
        let response = http.get(format!("{}{path}", site.url())).send().await;
        let response = response.expect("the edge should respond");
        assert_eq!(response.status().as_u16(), status, "{path}");
        check_security_headers(&response, path, is_document);
    }
    let large = site.request(Method::POST, "/api/values").body("7".repeat(20_000));
    let large = large.send().await.expect("the edge should respond");
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(header_values(&large, "content-type"), ["application/problem+json"]);
    check_security_headers(&large, "a body that is too large", false);
    let problem: contract::Problem = large.json().await.expect("a problem");
    assert_eq!(problem.status, 413);
}

#[tokio::test]
async fn edge_errors_are_problem_documents_with_security_headers() {
    let unused = stack::Port::free().expect("a port should be free").number();
    let edge = start_edge(&edge_config(), unused, unused, 3);
    for status in [StatusCode::BAD_GATEWAY, StatusCode::TOO_MANY_REQUESTS] {
        for path in ["/api/", "/api/values/7", "/api/events", "/"] {
            // The edge allows one request per second, so a slow machine may get a 502 again.
            let what = format!("{path} responds with {status}");
            let response = eventually(&what, ARRIVAL_TIMEOUT, async || {
                edge.try_get(path).await.ok().filter(|response| response.status() == status)
            })
            .await;
            check_security_headers(
                &response,
                path,
                (path, status) == ("/", StatusCode::BAD_GATEWAY),
            );
            assert_eq!(header_values(&response, "retry-after"), ["1"], "{path}");
            if path != "/" {
                assert_eq!(header_values(&response, "content-type"), ["application/problem+json"]);
                let id = header_values(&response, "x-request-id")[0].to_owned();
                let problem: contract::Problem = response.json().await.expect("a problem");
                assert_eq!((problem.status, problem.request_id), (status.as_u16(), Some(id)));
            }
        }
    }
}

#[tokio::test]
async fn the_edge_replaces_security_headers_of_an_upstream() {
    let headers = "X-Request-Id: mine\r\nX-Content-Type-Options: none\r\n\
        X-Frame-Options: SAMEORIGIN\r\nReferrer-Policy: origin\r\n\
        Cross-Origin-Opener-Policy: unsafe-none\r\nCross-Origin-Resource-Policy: cross-origin\r\n\
        Permissions-Policy: camera=*\r\nContent-Security-Policy: default-src *\r\n\
        Server: secret/1.0\r\n";
    let port = start_echo_server("upstream", headers);
    let edge = start_edge(&edge_config(), port, port, 10);
    for path in
        ["/api/", "/api/values/7", "/api/events", "/api/docs", "/api/docs/x", "/api/docsx", "/"]
    {
        let response = edge.get(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        // A response without a Content-Type may be a document.
        check_security_headers(&response, path, true);
    }
}

#[tokio::test]
async fn the_edge_compresses_api_responses_but_not_events() {
    for (content_type, is_compressed) in [
        ("application/json", true),
        ("application/problem+json", true),
        ("text/plain", true),
        ("text/html", true),
        ("text/css", true),
        ("text/javascript", true),
        ("application/javascript", true),
        ("text/event-stream", false),
        ("image/png", false),
    ] {
        let headers = format!("Content-Type: {content_type}\r\n");
        let port = start_echo_server("upstream", headers.leak());
        let edge = start_edge(&edge_config(), port, port, 10);
        // The echo server repeats this header, so that the response is long enough to compress.
        let request =
            edge.request(Method::GET, "/api/docs/file").header("x-long", "7".repeat(1_000));
        let response = request
            .header("accept-encoding", "gzip")
            .send()
            .await
            .expect("the edge should respond");
        let expected: &[&str] = if is_compressed { &["gzip"] } else { &[] };
        assert_eq!(header_values(&response, "content-encoding"), expected, "{content_type}");
    }
}
