//! What the edge does with requests: which part gets them, what it adds, and what it keeps inside.

use std::time::Duration;

use e2e::{System, eventually};
use reqwest::{Method, Response, StatusCode};

async fn text(answer: Response) -> String {
    answer.text().await.expect("the answer should have a body")
}

fn header<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    answer.headers().get_all(name).iter().map(|value| value.to_str().expect("a readable header")).collect()
}

#[tokio::test]
async fn the_prefix_api_is_stripped_and_only_as_a_whole_word() {
    let system = System::shared().expect("the system should start");
    let get = async |path| system.get(path).await.expect("the edge should answer");

    // The api's own front door; "/api" alone leads there.
    assert_eq!(text(get("/api/").await).await, "Hi");
    assert_eq!(text(get("/api").await).await, "Hi");
    assert_eq!(get("/api/values/current").await.status(), StatusCode::OK);
    assert_eq!(get("/api/api/values/current").await.status(), StatusCode::NOT_FOUND);

    let page = text(get("/").await).await;
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");
    for path in ["/apix", "/apix/values/current", "/how-it-works"] {
        assert_eq!(text(get(path).await).await, page, "{path} is the client's");
    }
    assert_eq!(get("/client-0123456789abcdef.js").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hashed_files_are_kept_for_ever_and_the_page_is_not() {
    let system = System::shared().expect("the system should start");
    let index = system.get("/").await.expect("the edge should answer");
    assert_eq!(header(&index, "cache-control"), ["no-cache"]);
    let page = text(index).await;
    let wasm =
        page.split('"').find(|word| word.ends_with(".wasm")).expect("the page should name its program");
    let answer = system.get(wasm).await.expect("the edge should answer");
    assert_eq!(header(&answer, "content-type"), ["application/wasm"]);
    assert_eq!(header(&answer, "cache-control"), ["public, max-age=31536000, immutable"]);
}

#[tokio::test]
async fn one_request_id_is_in_the_logs_of_edge_server_and_worker() {
    let system = System::shared().expect("the system should start");
    let id = "followed-by-a-test.1";
    let body = serde_json::json!({ "index": 31 });
    let request = system.request(Method::POST, "/api/values").header("x-request-id", id).json(&body);
    let answer = request.send().await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "x-request-id"), [id]);
    let submitted: api::Submitted = answer.json().await.expect("the contract's answer");
    assert_eq!(submitted.request_id, id);

    let logs: [(&str, &dyn Fn() -> String); 3] = [
        ("edge", &|| system.edge().log()),
        ("server", &|| system.server(0).log()),
        ("worker", &|| system.worker_logs()),
    ];
    for (part, log) in logs {
        let what = format!("the log of the {part} has the request id");
        eventually(&what, Duration::from_secs(15), async || {
            log().lines().any(|line| request_id(line).as_deref() == Some(id)).then_some(())
        })
        .await;
    }
}

/// The request id of a JSON log line: a field of its own, or of the span that the line was written in.
fn request_id(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let id = line.get("request_id").or_else(|| line.get("span")?.get("request_id"))?;
    id.as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_id_that_is_not_sane_is_replaced() {
    let system = System::shared().expect("the system should start");
    for id in ["with space", "quote\"", "{}", &"x".repeat(65), ""] {
        let request = system.request(Method::GET, "/api/").header("x-request-id", id);
        let answer = request.send().await.expect("the edge should answer");
        let [given] = header(&answer, "x-request-id")[..] else { panic!("one id for {id:?}") };
        assert!(given.len() == 32 && given.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}: {given}");
    }
}

#[tokio::test]
async fn metrics_are_not_reachable_from_outside() {
    let system = System::shared().expect("the system should start");
    for (name, port) in [("server", system.server_metrics(0)), ("worker", system.worker_metrics(0))] {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let answer = stack::http_get(&url).expect("the operator's port should answer");
        assert_eq!(answer.status, 200, "{name}");
    }
    assert_eq!(
        system.get("/api/metrics").await.expect("the edge should answer").status(),
        StatusCode::NOT_FOUND
    );
    for path in ["/metrics", "/api/..%2fmetrics", "/api//metrics"] {
        let answer = text(system.get(path).await.expect("the edge should answer")).await;
        assert!(!answer.contains("# TYPE") && !answer.contains("http_requests_total"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_as_a_problem() {
    let system = System::shared().expect("the system should start");
    let request = system.request(Method::POST, "/api/values").header("content-type", "application/json");
    let answer = request.body("7".repeat(20_000)).send().await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(header(&answer, "content-type"), ["application/problem+json"]);
    let problem: api::Problem = answer.json().await.expect("a problem");
    assert_eq!(problem.status, 413);
}

#[tokio::test]
async fn events_arrive_through_the_edge_when_they_happen() {
    let system = System::shared().expect("the system should start");
    let mut events = system.get("/api/events").await.expect("the edge should answer");
    assert_eq!(header(&events, "content-type"), ["text/event-stream"]);
    let submitted = system.submit(33).await.expect("the edge should answer");
    assert_eq!(submitted.status(), StatusCode::OK);

    let mut heard = String::new();
    let both = async {
        // F(33) is 3524578.
        while !(heard.contains("event: seen") && heard.contains("3524578")) {
            let chunk = events
                .chunk()
                .await
                .expect("the stream should stay open")
                .expect("the stream should not end");
            heard += &String::from_utf8_lossy(&chunk);
        }
    };
    tokio::time::timeout(Duration::from_secs(15), both).await.expect("both events should come");
}
