//! What the edge does with requests: which upstream gets them, which headers it adds, what it does
//! not let through. The upstreams are real, or stand-ins where only the request that reaches them
//! matters.

use std::time::Duration;

use e2e::{Site, ValueEvents, edge, edge_config, eventually, header, root, stand_in};
use reqwest::{Method, Response, StatusCode};
use stack::client_options;
use stack::testing::nginx;

async fn text(answer: Response) -> String {
    answer.text().await.expect("the answer should have a body")
}

#[tokio::test]
async fn the_api_prefix_is_stripped_and_only_as_a_whole_segment() {
    let system = Site::shared();
    let text = async |path| text(system.get(path).await).await;
    let status = async |path| system.get(path).await.status();

    // "/api" alone redirects to the api's root.
    assert_eq!(text("/api/").await, "Hi");
    assert_eq!(text("/api").await, "Hi");
    assert_eq!(status("/api/values/current").await, StatusCode::OK);
    assert_eq!(status("/api/api/values/current").await, StatusCode::NOT_FOUND);

    let page = text("/").await;
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");
    for path in ["/apix", "/apix/values/current", "/how-it-works", "/numbers/7"] {
        assert_eq!(text(path).await, page, "{path} is the client's");
    }
    assert_eq!(status("/client-0123456789abcdef.js").await, StatusCode::NOT_FOUND);
}

/// The path of the WebAssembly file in the page's HTML. trunk leaves out quotes where it can.
fn wasm_path(page: &str) -> &str {
    let mut words = page.split(['"', '=', ' ', '>']);
    words.find(|word| word.ends_with(".wasm")).expect("the page should link its wasm file")
}

#[tokio::test]
async fn files_with_a_hash_are_cached_for_a_year_and_the_page_is_not() {
    let system = Site::shared();
    let index = system.get("/").await;
    assert_eq!(header(&index, "cache-control"), ["no-cache"]);
    let page = text(index).await;
    let wasm = wasm_path(&page);
    let answer = system.get(wasm).await;
    assert_eq!(header(&answer, "content-type"), ["application/wasm"]);
    assert_eq!(header(&answer, "cache-control"), ["public, max-age=31536000, immutable"]);
}

#[tokio::test]
async fn a_hash_without_its_leading_zeros_is_recognised() {
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
        let answer = client.get(&format!("/{name}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        assert_eq!(header(&answer, "cache-control"), [cache_control], "{name}");
    }
}

#[tokio::test]
async fn one_request_id_is_in_the_logs_of_edge_server_and_worker() {
    let system = Site::shared();
    let id = "set-by-a-test.1";
    let body = serde_json::json!({ "index": 31 });
    let request =
        system.request(Method::POST, "/api/values").header("x-request-id", id).json(&body);
    let answer = request.send().await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "x-request-id"), [id]);
    let submitted: contract::SubmitResponse = answer.json().await.expect("the contract's answer");
    assert_eq!(submitted.request_id, id);

    let logs: [(&str, &dyn Fn() -> String); 3] = [
        ("edge", &|| system.edge.log()),
        ("server", &|| system.servers[0].log()),
        ("worker", &|| system.workers[0].log() + &system.workers[1].log()),
    ];
    for (part, log) in logs {
        let what = format!("the log of the {part} has the request id");
        eventually(&what, Duration::from_secs(15), async || {
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
    let system = Site::shared();
    for id in ["with space", "quote\"", "{}", &"x".repeat(65), ""] {
        let request = system.request(Method::GET, "/api/").header("x-request-id", id);
        let answer = request.send().await.expect("the edge should answer");
        let [new] = header(&answer, "x-request-id")[..] else { panic!("not one id for {id:?}") };
        assert!(
            new.len() == 32 && new.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id:?}: {new}"
        );
    }
}

/// The metrics in the first column of the table "What to watch" in docs/operations.md.
fn documented_metrics() -> Vec<String> {
    let file = root().join("docs/operations.md");
    let document = std::fs::read_to_string(file).expect("docs/operations.md");
    let (_, rest) = document.split_once("### What to watch").expect("what to watch");
    let rows = rest
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = rows.skip(2).filter_map(|row| row.split('|').nth(1));
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    code.map(|name| name.split('{').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn every_documented_metric_exists_from_the_start_with_a_help_text() {
    // A system of its own: nothing was submitted yet.
    let system = Site::start();
    let names = documented_metrics();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let what = format!("{name} is in the metrics of server or worker");
        // The name itself, or a series of a histogram.
        let starts = ["", "_count", "_sum", "_bucket"].map(|end| format!("{name}{end}"));
        let is_it = |line: &str| {
            let mut rests = starts.iter().filter_map(|start| line.strip_prefix(start.as_str()));
            rests.any(|rest| rest.starts_with([' ', '{']))
        };
        let metrics = eventually(&what, Duration::from_secs(15), async || {
            let mut texts = system.binaries().filter_map(|binary| binary.metrics().ok());
            texts.find(|text| text.lines().any(is_it))
        })
        .await;
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}

#[tokio::test]
async fn events_arrive_through_the_edge_when_they_happen() {
    let system = Site::shared();
    let events = system.get("/api/events").await;
    assert_eq!(header(&events, "content-type"), ["text/event-stream"]);
    system.submit(33).await;
    let mut values = ValueEvents::new(events);
    let arrives = async {
        // Other tests submit indices, too.
        while values.next().await.expect("an event").expect("the stream should not end").value
            != "3524578"
        {}
    };
    tokio::time::timeout(Duration::from_secs(15), arrives).await.expect("the value should arrive");
}

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// What Swagger UI needs, and no more.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Checks the headers that every response has exactly once, and those that only a document has.
fn assert_protected(answer: &Response, path: &str, document: bool) {
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
        let expected = if always || document { vec![value] } else { Vec::new() };
        assert_eq!(header(answer, name), expected, "{name} of {path}");
    }
    let given = header(answer, "content-security-policy");
    assert_eq!(given.len(), usize::from(document), "the policy of {path}");
    if let [given] = given[..] {
        assert_eq!(
            given.split(';').map(str::trim).collect::<Vec<_>>().join("; "),
            policy,
            "{path}"
        );
    }
    assert_eq!(header(answer, "x-request-id").len(), 1, "{path}");
}

#[tokio::test]
async fn every_response_has_each_security_header_once() {
    let system = Site::shared();
    let page = text(system.get("/").await).await;
    let wasm = wasm_path(&page);
    let script = wasm.replace("_bg.wasm", ".js");
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let http = http.build().expect("a client");
    for (path, status, document) in [
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
        let answer = http.get(format!("{}{path}", system.url())).send().await;
        let answer = answer.expect("the edge should answer");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_protected(&answer, path, document);
    }
    let large = system.request(Method::POST, "/api/values").body("7".repeat(20_000));
    let large = large.send().await.expect("the edge should answer");
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(header(&large, "content-type"), ["application/problem+json"]);
    assert_protected(&large, "a body that is too large", false);
    let problem: contract::Problem = large.json().await.expect("a problem");
    assert_eq!(problem.status, 413);
}

#[tokio::test]
async fn errors_of_the_edge_are_problems_with_each_security_header_once() {
    let unused = stack::Port::free().expect("a port should be free").number();
    let alone = edge(&edge_config(), unused, unused, 3);
    for status in [StatusCode::BAD_GATEWAY, StatusCode::TOO_MANY_REQUESTS] {
        for path in ["/api/", "/api/values/7", "/api/events", "/"] {
            // One more request is allowed each second: a slow machine may see a 502 again.
            let what = format!("{path} answers {status}");
            let answer = eventually(&what, Duration::from_secs(15), async || {
                alone.try_get(path).await.ok().filter(|answer| answer.status() == status)
            })
            .await;
            assert_protected(&answer, path, (path, status) == ("/", StatusCode::BAD_GATEWAY));
            assert_eq!(header(&answer, "retry-after"), ["1"], "{path}");
            if path != "/" {
                assert_eq!(header(&answer, "content-type"), ["application/problem+json"]);
                let id = header(&answer, "x-request-id")[0].to_owned();
                let problem: contract::Problem = answer.json().await.expect("a problem");
                assert_eq!((problem.status, problem.request_id), (status.as_u16(), Some(id)));
            }
        }
    }
}

#[tokio::test]
async fn a_security_header_of_an_upstream_is_replaced() {
    let headers = "X-Request-Id: mine\r\nX-Content-Type-Options: none\r\nX-Frame-Options: SAMEORIGIN\r\nReferrer-Policy: origin\r\n\
                Cross-Origin-Opener-Policy: unsafe-none\r\nCross-Origin-Resource-Policy: cross-origin\r\n\
                Permissions-Policy: camera=*\r\nContent-Security-Policy: default-src *\r\nServer: secret/1.0\r\n";
    let port = stand_in("upstream", headers);
    let alone = edge(&edge_config(), port, port, 10);
    for path in
        ["/api/", "/api/values/7", "/api/events", "/api/docs", "/api/docs/x", "/api/docsx", "/"]
    {
        let answer = alone.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        // It has no Content-Type, so that it may be a document.
        assert_protected(&answer, path, true);
    }
}

#[tokio::test]
async fn responses_of_the_api_are_compressed_and_events_are_not() {
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
        let port = stand_in("upstream", headers.leak());
        let alone = edge(&edge_config(), port, port, 10);
        // The stand-in repeats the request's headers: this one makes the response long enough.
        let request =
            alone.request(Method::GET, "/api/docs/file").header("x-long", "7".repeat(1_000));
        let answer =
            request.header("accept-encoding", "gzip").send().await.expect("the edge should answer");
        let expected: &[&str] = if is_compressed { &["gzip"] } else { &[] };
        assert_eq!(header(&answer, "content-encoding"), expected, "{content_type}");
    }
}
