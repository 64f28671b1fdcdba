//! Checks of the HTTP contract at the edge, for all ways of running the system: status codes,
//! headers, the page's routes, and that invalid input is not stored.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::Site;

/// Checks the contract on a site that has no submissions yet.
pub async fn check_contract<T>(site: &Site<T>) {
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
    assert_eq!(text("/api/values/all").await, "[]", "the site should have no submissions yet");

    let page = site.get("/").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("server", "nginx"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(header_values(&page, name), [value], "{name}");
    }
    let policy = header_values(&page, "content-security-policy").concat();
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
    let page = page.text().await.expect("a body");
    assert!(page.contains("<title>Fibonacci calculator</title>"), "{page}");
    assert_eq!(text("/apix").await, page, "the client should get /apix");
    assert_eq!(text("/how-it-works").await, page, "a route of the page");

    let post = async |body: String| {
        let request =
            site.request(Method::POST, "/api/values").header("content-type", "application/json");
        request.body(body).send().await.expect("the edge should respond").status()
    };
    let above_max_index = json!(10_000_001);
    for index in [
        json!(null),
        json!(""),
        json!("abc"),
        json!(-1),
        json!(3.7),
        json!("1e3"),
        json!([7]),
        above_max_index,
    ] {
        let status = post(json!({ "index": index }).to_string()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{index}");
    }
    assert_eq!(post("7".repeat(20_000)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text("/api/values/all").await, "[]", "invalid input should not be stored");

    let response: Value = site.submit(7).await.json().await.expect("JSON");
    assert_eq!(response["working"], true);
    assert_eq!(site.submissions().await[0].number.get(), 7, "an acknowledged index is committed");
}

/// The values of all headers of that name.
pub fn header_values<'a>(response: &'a Response, name: &str) -> Vec<&'a str> {
    let values = response.headers().get_all(name).iter();
    values.map(|value| value.to_str().expect("a readable header")).collect()
}
