//! Bad input gets a clear error of the right kind, and changes nothing.
//!
//! What is wrong in Redis or in Postgres is in `garbage`; here it is the client that is wrong.

use axum::http::StatusCode;

use crate::{Api, Refusal};

/// Bodies, and what each is where MAX_INDEX is 40; the parser is held to the same ones.
const CORPUS: &str = include_str!("../../../crates/contract/tests/corpus.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_body_of_the_corpus_gets_its_expected_response() {
    let api = Api::with(&["--max-index", "40"]).await;
    let mut accepted = 0;
    for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (expected, body) = line.split_once('|').unwrap();
        let answer = api.post(body.trim()).send().await.unwrap();
        let refused = match expected.trim() {
            "too high" => (StatusCode::UNPROCESSABLE_ENTITY, "Index too high"),
            "not an index" => (StatusCode::UNPROCESSABLE_ENTITY, "Not an index"),
            "malformed" => (StatusCode::BAD_REQUEST, "Malformed JSON"),
            index => {
                assert_eq!(answer.status(), StatusCode::OK, "{body}");
                let submitted: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(submitted["index"].to_string(), index, "{body}");
                accepted += 1;
                continue;
            }
        };
        let refusal = Refusal::of(answer).await;
        assert_eq!((refusal.status, refusal.title.as_str()), refused, "{body}");
        if refused.1 == "Index too high" {
            assert!(refusal.body["detail"].as_str().unwrap().contains("40"), "{body}");
        }
    }
    assert!(accepted > 0);
    assert_eq!(api.rows(), accepted.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_or_nested_beyond_reason_is_malformed() {
    let api = Api::start().await;
    let nested = format!("{{\"index\":{}", "[".repeat(10_000));
    for body in [&b""[..], b"\0", b"\xff\xfe", b"{\"index\":\"\xc3\x28\"}", nested.as_bytes()] {
        let post = api.http.post(format!("{}/values", api.url)).header("content-type", "application/json");
        let refusal = Refusal::of(post.body(body.to_vec()).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{}", body.escape_ascii());
    }
    assert_eq!(api.rows(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_is_an_unsupported_media_type() {
    let api = Api::start().await;
    let url = format!("{}/values", api.url);
    let without = api.http.post(&url).body(r#"{"index":7}"#);
    let form =
        api.http.post(&url).header("content-type", "application/x-www-form-urlencoded").body("index=7");
    for request in [without, form] {
        let refusal = Refusal::of(request.send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    assert_eq!(api.rows(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused() {
    let api = Api::start().await;
    let body = format!(r#"{{"index":"7","more":"{}"}}"#, "x".repeat(20_000));
    let refusal = Refusal::of(api.post(body).send().await.unwrap()).await;
    assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(api.rows(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_are_not_found() {
    let api = Api::start().await;
    for path in ["/nothing", "/api/values/all", "/values/", "/values/7/digits", "/metrics", "/health"] {
        let refusal = Refusal::of(api.get(path).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_are_told_which_are_right() {
    let api = Api::start().await;
    for (method, path, allowed) in [
        ("DELETE", "/values", "POST"),
        ("GET", "/values", "POST"),
        ("POST", "/values/all", "GET,HEAD"),
        ("PUT", "/", "GET,HEAD"),
    ] {
        let request = api.http.request(method.parse().unwrap(), format!("{}{path}", api.url));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
        assert_eq!(Refusal::of(answer).await.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_pages_and_wrong_indices_in_paths_are_refused() {
    let api = Api::with(&["--max-index", "40"]).await;
    for path in [
        "/values/all?limit=0",
        "/values/all?limit=1001",
        "/values/all?limit=-1",
        "/values/all?limit=many",
        "/values/current?limit=0",
        "/values/current?limit=1001",
        "/values/current?limit=-1",
        "/values/current?limit=many",
        "/values/current?digits=39",
        "/values/current?digits=501",
        "/values/current?digits=many",
        "/values/all?before=now",
        "/values/abc",
        "/values/-1",
        "/values/1e3",
        "/values/41",
    ] {
        let refusal = Refusal::of(api.get(path).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_no_text_is_an_error_of_the_client() {
    let api = Api::start().await;
    let refusal = Refusal::of(api.get("/values/%FF").send().await.unwrap()).await;
    assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
}
