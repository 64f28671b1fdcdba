//! What every way of running the system must answer through its edge: statuses, headers, the page's
//! routes, and that invalid input changes nothing. Limits, TLS and restarts have tests of their
//! own.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::Site;

/// Checks the contract on a site that has no submissions yet.
///
/// # Panics
/// With the part of the contract that is broken.
pub async fn contract<T>(site: &Site<T>) {
    let get = async |path: &str| site.get(path).await.expect("the edge should answer");
    for path in [
        "/api/",
        "/api/values/all",
        "/api/values/current",
        "/api/health/live",
        "/api/health/ready",
        "/api/openapi.json",
        "/api/docs/",
    ] {
        assert_eq!(get(path).await.status(), StatusCode::OK, "{path}");
    }
    for path in ["/api/values/99", "/api/metrics", "/api/nothing"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get("/api/values/all").await.text().await.expect("a body"), "[]", "nothing was submitted");
    page(&get).await;

    let post = async |body: String| {
        let request = site.request(Method::POST, "/api/values").header("content-type", "application/json");
        request.body(body).send().await.expect("the edge should answer")
    };
    for index in [json!(null), json!(""), json!("abc"), json!(-1), json!(3.7), json!("1e3"), json!([7])] {
        assert_eq!(post(json!({ "index": index }).to_string()).await.status().as_u16(), 422, "{index}");
    }
    assert_eq!(post(json!({ "index": 10_000_001 }).to_string()).await.status().as_u16(), 422);
    assert_eq!(post("7".repeat(20_000)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get("/api/values/all").await.text().await.expect("a body"), "[]", "nothing was stored");

    let answer = site.submit(7).await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["working"], true);
    let all: Value = get("/api/values/all").await.json().await.expect("JSON");
    assert_eq!(all[0]["number"], 7, "an acknowledged index is committed");
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

/// A header of an answer, empty when it is missing.
///
/// # Panics
/// When it is not text.
pub fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("a readable header"))
}
