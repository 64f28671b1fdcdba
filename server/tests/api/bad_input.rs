//! Bad input gets a clear error of the right kind, and changes nothing.

use axum::http::StatusCode;

use crate::{Api, Refusal};

const NOT_AN_INDEX: [&str; 19] = [
    r#"{"index":""}"#,
    r#"{"index":"abc"}"#,
    r#"{"index":"-1"}"#,
    r#"{"index":-1}"#,
    r#"{"index":"3.7"}"#,
    r#"{"index":3.7}"#,
    r#"{"index":"1e3"}"#,
    r#"{"index":1e3}"#,
    r#"{"index":"0x20"}"#,
    r#"{"index":" 7"}"#,
    r#"{"index":null}"#,
    r#"{"index":true}"#,
    r#"{"index":[7]}"#,
    r#"{"index":{"index":7}}"#,
    r#"{}"#,
    r#"{"number":7}"#,
    r#"[7]"#,
    r#""7""#,
    r#"7"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_whole_number_is_refused_and_changes_nothing() {
    let api = Api::start().await;
    for body in NOT_AN_INDEX {
        let refusal = Refusal::of(api.post(body).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refusal.title, "Not an index", "{body}");
    }
    assert_eq!(api.rows(), "0");
    assert_eq!(api.json("/values/current").await, serde_json::json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_above_the_bound_is_too_high_and_changes_nothing() {
    let api = Api::with(&["--max-index", "40"]).await;
    let long = format!("1{}", "0".repeat(30));
    for index in ["41", "\"41\"", &long, &format!("\"{long}\""), "18446744073709551616"] {
        let refusal = Refusal::of(api.post(format!(r#"{{"index":{index}}}"#)).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY, "{index}");
        assert_eq!(refusal.title, "Index too high", "{index}");
        assert!(refusal.body["detail"].as_str().unwrap().contains("40"), "{index}");
    }
    assert_eq!(api.rows(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_a_bad_request() {
    let api = Api::start().await;
    for body in ["", "{", r#"{"index":"#, r#"{"index":7"#, r#"{'index':7}"#, r#"{"index":07}"#, "\u{0}"] {
        let refusal = Refusal::of(api.post(body).send().await.unwrap()).await;
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{body:?}");
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
