//! Invalid input of clients gets the right error and changes nothing. Invalid data in Redis or
//! Postgres is in `garbage`.

use axum::http::StatusCode;

use crate::{Api, ApiProblem};

/// Bodies with the expected result where MAX_INDEX is 40. The parser's own tests use them too.
const CORPUS: &str = include_str!("../../../crates/contract/tests/corpus.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_body_of_the_corpus_gets_its_expected_response() {
    let api = Api::with(&["--max-index", "40"]).await;
    let mut accepted = 0;
    for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (expected, body) = line.split_once('|').unwrap();
        let response = api.post(body.trim()).send().await.unwrap();
        let expected = match expected.trim() {
            "too high" => (StatusCode::UNPROCESSABLE_ENTITY, "Index too high"),
            "not an index" => (StatusCode::UNPROCESSABLE_ENTITY, "Not an index"),
            "malformed" => (StatusCode::BAD_REQUEST, "Malformed JSON"),
            index => {
                assert_eq!(response.status(), StatusCode::OK, "{body}");
                let submitted: serde_json::Value = response.json().await.unwrap();
                assert_eq!(submitted["index"].to_string(), index, "{body}");
                assert_eq!(submitted["working"], true, "{body}");
                accepted += 1;
                continue;
            }
        };
        let refusal = ApiProblem::from_response(response).await;
        assert_eq!((refusal.status, refusal.title.as_str()), expected, "{body}");
        if refusal.title == "Index too high" {
            assert!(refusal.body["detail"].as_str().unwrap().contains("40"), "{body}");
        }
    }
    assert!(accepted > 0);
    assert_eq!(api.submission_count(), accepted.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_or_is_too_large_is_refused() {
    let api = Api::start().await;
    let json = Some("application/json");
    let form = Some("application/x-www-form-urlencoded");
    let nested = format!("{{\"index\":{}", "[".repeat(10_000));
    let large = format!(r#"{{"index":"7","more":"{}"}}"#, "x".repeat(20_000));
    for (content_type, body, status) in [
        (json, &b""[..], StatusCode::BAD_REQUEST),
        (json, b"\0", StatusCode::BAD_REQUEST),
        (json, b"\xff\xfe", StatusCode::BAD_REQUEST),
        (json, b"{\"index\":\"\xc3\x28\"}", StatusCode::BAD_REQUEST),
        (json, nested.as_bytes(), StatusCode::BAD_REQUEST),
        (json, large.as_bytes(), StatusCode::PAYLOAD_TOO_LARGE),
        (None, br#"{"index":7}"#, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (form, b"index=7", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let mut post = api.http.post(format!("{}/values", api.url)).body(body.to_vec());
        if let Some(content_type) = content_type {
            post = post.header("content-type", content_type);
        }
        let refusal = ApiProblem::from_response(post.send().await.unwrap()).await;
        assert_eq!(refusal.status, status, "{}", body.escape_ascii());
    }
    assert_eq!(api.submission_count(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_refused_with_the_allowed_ones() {
    let api = Api::start().await;
    for (method, path, allowed) in [
        ("DELETE", "/values", "POST"),
        ("GET", "/values", "POST"),
        ("POST", "/values/all", "GET,HEAD"),
        ("PUT", "/", "GET,HEAD"),
    ] {
        let request = api.http.request(method.parse().unwrap(), format!("{}{path}", api.url));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["allow"], allowed, "{method} {path}");
        assert_eq!(
            ApiProblem::from_response(response).await.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_or_parameter_is_refused() {
    let api = Api::with(&["--max-index", "40"]).await;
    let unknown = "nothing api/values/all values/ values/7/digits metrics health";
    for (status, prefix, suffixes) in [
        (StatusCode::NOT_FOUND, "/", unknown),
        (StatusCode::BAD_REQUEST, "/values/", "%FF"),
        (StatusCode::UNPROCESSABLE_ENTITY, "/values/", "abc -1 1e3 41"),
        (StatusCode::UNPROCESSABLE_ENTITY, "/values/all?before=", "now"),
        (StatusCode::UNPROCESSABLE_ENTITY, "/values/all?limit=", "0 1001 -1 many"),
        (StatusCode::UNPROCESSABLE_ENTITY, "/values/current?limit=", "0 1001 -1 many"),
        (StatusCode::UNPROCESSABLE_ENTITY, "/values/current?digits=", "39 501 many"),
    ] {
        for suffix in suffixes.split(' ') {
            let path = format!("{prefix}{suffix}");
            assert_eq!(api.get_refused(&path).await.status, status, "{path}");
        }
    }
}
