//! What every way of running the system must answer through its edge: statuses, headers, the page's
//! routes, and that invalid input changes nothing. Limits, TLS and restarts have tests of their
//! own.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::Site;

/// Checks the contract on a site that has no submissions yet.
pub async fn contract<T>(site: &Site<T>) {
    let text = async |path| site.get(path).await.text().await.expect("a body");
    for path in [
        "/api/",
        "/api/values/all",
        "/api/values/current",
        "/api/health/live",
        "/api/health/ready",
        "/api/openapi.json",
        "/api/docs/",
    ] {
        assert_eq!(site.get(path).await.status(), StatusCode::OK, "{path}");
    }
    for path in ["/api/values/99", "/api/metrics", "/api/nothing"] {
        assert_eq!(site.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(text("/api/values/all").await, "[]", "nothing was submitted");

    let page = site.get("/").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("server", "nginx"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(header(&page, name), [value], "{name}");
    }
    let policy = header(&page, "content-security-policy").concat();
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
    let page = page.text().await.expect("a body");
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");
    assert_eq!(text("/apix").await, page, "/apix is the client's");
    assert_eq!(text("/how-it-works").await, page, "a route of the page");

    let post = async |body: String| {
        let request =
            site.request(Method::POST, "/api/values").header("content-type", "application/json");
        request.body(body).send().await.expect("the edge should answer")
    };
    for index in
        [json!(null), json!(""), json!("abc"), json!(-1), json!(3.7), json!("1e3"), json!([7])]
    {
        assert_eq!(
            post(json!({ "index": index }).to_string()).await.status().as_u16(),
            422,
            "{index}"
        );
    }
    assert_eq!(post(json!({ "index": 10_000_001 }).to_string()).await.status().as_u16(), 422);
    assert_eq!(post("7".repeat(20_000)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text("/api/values/all").await, "[]", "nothing was stored");

    let answer: Value = site.submit(7).await.json().await.expect("JSON");
    assert_eq!(answer["working"], true);
    assert_eq!(site.submissions().await[0].number.get(), 7, "an acknowledged index is committed");
}

pub fn header<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    answer
        .headers()
        .get_all(name)
        .iter()
        .map(|value| value.to_str().expect("a readable header"))
        .collect()
}
