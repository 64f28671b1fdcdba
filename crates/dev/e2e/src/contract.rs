//! What holds for whoever reaches a system from outside, however it is run: statuses, headers, the page's routes, and
//! that bad input changes nothing. For a system that was given nothing yet.
//!
//! What only some ways of running it have (limits, TLS, restarts) is in the tests of those.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

/// Panics where the system behind `url`, the address of an edge, does not keep the contract.
///
/// # Panics
/// With what was not kept.
pub async fn contract(url: &str) {
    let http = Client::builder().no_proxy().build().expect("a client");
    let get = async |path: &str| {
        let answer = http.get(format!("{url}{path}")).send().await;
        answer.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    };
    for path in [
        "/api/",
        "/api/values/all",
        "/api/values/current",
        "/api/health/live",
        "/api/health/ready",
        "/api/openapi.json",
        "/api/docs",
    ] {
        assert_eq!(get(path).await.status(), StatusCode::OK, "{path}");
    }
    for path in ["/api/values/99", "/api/metrics", "/api/nothing"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get("/api/values/all").await.text().await.expect("a body"), "[]", "nothing was given yet");
    page(&get).await;

    let post = async |body: String| {
        let request = http.request(Method::POST, format!("{url}/api/values")).body(body);
        let answer = request.header("content-type", "application/json").send().await;
        answer.expect("the edge should answer")
    };
    for index in [json!(null), json!(""), json!("abc"), json!(-1), json!(3.7), json!("1e3"), json!([7])] {
        assert_eq!(post(json!({ "index": index }).to_string()).await.status().as_u16(), 422, "{index}");
    }
    assert_eq!(post(json!({ "index": 10_000_001 }).to_string()).await.status().as_u16(), 422);
    assert_eq!(post("7".repeat(20_000)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get("/api/values/all").await.text().await.expect("a body"), "[]", "nothing was changed");

    let answer = post(json!({ "index": "7" }).to_string()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["working"], true);
    let all: Value = get("/api/values/all").await.json().await.expect("JSON");
    assert_eq!(all[0]["number"], 7, "what is answered is committed");
}

/// The page, its headers, and that each of its routes can be opened directly.
async fn page(get: &impl AsyncFn(&str) -> Response) {
    let page = get("/").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("server", "nginx"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(header(&page, name), value, "{name}");
    }
    assert!(header(&page, "content-security-policy").contains("script-src 'self' 'wasm-unsafe-eval'"));
    let text = page.text().await.expect("a body");
    assert!(text.contains("<title>Fibonacci calculator</title>"), "{text}");
    assert_eq!(get("/apix").await.text().await.expect("a body"), text, "/apix is the client's");
    assert_eq!(get("/how-it-works").await.text().await.expect("a body"), text, "a route of the page");
}

/// A header of an answer, empty when it is not there.
///
/// # Panics
/// When it is no text.
#[must_use]
pub fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("a readable header"))
}
