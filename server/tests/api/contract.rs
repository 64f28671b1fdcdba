//! The HTTP contract: successful requests. Errors are in `bad_input` and `faults`, event streams in
//! `events`, and the programs of the original in `crates/dev/e2e`.

use axum::http::StatusCode;
use reqwest::Response;
use serde_json::{Value, json};

use crate::{Api, ApiProblem};

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_route_returns_hi() {
    let api = Api::start().await;
    assert_eq!(api.text("/").await, "Hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_and_the_highest_index_are_accepted() {
    let api = Api::with(&["--max-index", "40"]).await.with_worker().await;
    api.submit_all([0, 40]).await;
    api.until_listed([(0, "0"), (40, "102334155")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_are_listed_oldest_first_with_duplicates() {
    let api = Api::start().await;
    api.submit_all([7, 3, 7]).await;
    assert_eq!(api.numbers("/values/all").await, [7, 3, 7]);
    let all = api.submissions().await;
    let rows = all.as_array().unwrap();
    assert!(rows.windows(2).all(|pair| pair[0]["id"].as_i64() < pair[1]["id"].as_i64()));
    assert!(rows[0]["created_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_are_paged_backwards() {
    let api = Api::start().await;
    api.sql(r#"INSERT INTO "values" (number) SELECT generate_series(1, 1500)"#);
    let newest = api.numbers("/values/all").await;
    assert_eq!((newest.len(), newest[0], newest[999]), (1000, 501, 1500));
    assert_eq!(api.numbers("/values/all?limit=3").await, [1498, 1499, 1500]);
    assert_eq!(api.numbers("/values/all?limit=2&before=1500").await, [1498, 1499]);
    assert_eq!(api.numbers("/values/all?before=3").await, [1, 2]);
    assert_eq!(api.numbers("/values/all?before=1").await, [0_i64; 0]);
}

/// The fields index, submissions and newest of each row of a page.
async fn indices(api: &Api, path: &str) -> Vec<[u64; 3]> {
    let rows = api.json(path).await;
    let fields =
        |row: &Value| ["index", "submissions", "newest"].map(|key| row[key].as_u64().unwrap());
    rows.as_array().unwrap().iter().map(fields).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn indices_are_listed_once_newest_first_with_their_count() {
    let api = Api::start().await;
    api.submit_all([7, 3, 7, 10]).await;
    assert_eq!(indices(&api, "/indices").await, [[10, 1, 4], [7, 2, 3], [3, 1, 2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn indices_are_paged_backwards() {
    let api = Api::start().await;
    api.submit_all([7, 3, 7, 10]).await;
    assert_eq!(indices(&api, "/indices?limit=1&before=4").await, [[7, 2, 3]]);
    assert_eq!(indices(&api, "/indices?before=2").await, [[0; 3]; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_submission_has_the_time_of_each_hop() {
    let api = Api::start().await;
    let sent = queue::now_micros();
    let post = api.post(json!({ "index": 7 })).header("x-request-start", "t=1700000000.123");
    let hops = post.send().await.unwrap().json::<Value>().await.unwrap()["hops"].take();
    assert_eq!(hops["edge"], 1_700_000_000_123_000_u64);
    let [received, committed] = ["received", "committed"].map(|hop| hops[hop].as_u64().unwrap());
    assert!(sent <= received && received < committed && committed <= queue::now_micros(), "{hops}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_submissions_the_lists_are_empty() {
    let api = Api::start().await;
    assert_eq!(api.submissions().await, json!([]));
    assert_eq!(api.values().await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn current_values_are_strings_in_numeric_order() {
    let api = Api::start().await;
    api.submit_all([20, 100, 3]).await;
    let response = api.text("/values/current").await;
    assert_eq!(response, r#"{"3":"Nothing yet!","20":"Nothing yet!","100":"Nothing yet!"}"#);

    let api = api.with_worker().await;
    api.until_listed([(100, "354224848179261915075"), (3, "2")]).await;
    let response = api.text("/values/current").await;
    assert_eq!(response, r#"{"3":"2","20":"6765","100":"354224848179261915075"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_value_is_abbreviated_in_the_list_only() {
    let api = Api::start().await.with_worker().await;
    api.submit(100_000).await;
    api.until_listed([(100_000, "25974069347221724166…49895374653428746875 (20899 digits)")]).await;
    let digits = api.digits(100000).await;
    assert_eq!(digits.len(), 20_899);
    assert!(digits.starts_with("25974069347221724166") && digits.ends_with("49895374653428746875"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameter_digits_abbreviates_shorter_values() {
    let api = Api::start().await.with_worker().await;
    api.submit_all([10, 300, 100_000]).await;
    let whole = "222232244629420445529739893461909967206666939096499764990979600";
    let long = "25974069347221724166…49895374653428746875 (20899 digits)";
    api.until_listed([(300, whole), (100_000, long)]).await;
    let ends = format!("{}…{} (63 digits)", &whole[..20], &whole[43..]);
    for limit in ["", "&limit=50"] {
        let current = api.json(&format!("/values/current?digits=60{limit}")).await;
        assert_eq!(current, json!({"10": "55", "300": ends, "100000": long}));
    }
    assert_eq!(api.json("/values/current?digits=63").await["300"], whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_1000_indices_are_listed() {
    let api = Api::start().await;
    api.sql(r#"INSERT INTO "values" (number) SELECT generate_series(1, 1200)"#);
    api.submit(5000).await;
    api.until("the newest 1000 are listed", async |api| {
        let current = api.values().await;
        let current = current.as_object().unwrap();
        let has = |index: u32| current.contains_key(&index.to_string());
        current.len() == 1000 && has(5000) && has(1200) && has(202) && !has(201)
    })
    .await;
    assert_eq!(api.redis::<usize>(&["HLEN", "values"]).await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameter_limit_keeps_the_newest_values() {
    let api = Api::start().await.with_worker().await;
    api.submit_all([20, 7, 3, 10, 20]).await;
    api.until_listed([(3, "2"), (7, "13"), (10, "55"), (20, "6765")]).await;
    let newest = async |limit: u32| api.json(&format!("/values/current?limit={limit}")).await;
    assert_eq!(newest(1).await, json!({"20": "6765"}));
    assert_eq!(newest(3).await, json!({"3": "2", "10": "55", "20": "6765"}));
    let all = json!({"3": "2", "7": "13", "10": "55", "20": "6765"});
    for limit in [4, 100, 1_000] {
        assert_eq!(newest(limit).await, all, "{limit}");
    }
    // It is unknown how new the indices of an original server are, so they come last.
    for original in ["1", "2"] {
        api.redis::<usize>(&["HSET", "values", original, "1"]).await;
    }
    assert_eq!(newest(4).await, all);
    assert_eq!(newest(5).await, json!({"2": "1", "3": "2", "7": "13", "10": "55", "20": "6765"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_index_is_not_reset_to_pending() {
    let api = Api::start().await.with_worker().await;
    assert_eq!(api.submit(10).await["state"], "queued");
    api.until_listed([(10, "55")]).await;
    let again = api.submit(10).await;
    assert_eq!((&again["state"], &again["value"]), (&json!("done"), &json!("55")));
    assert_eq!(api.values().await, json!({"10": "55"}));
    assert_eq!(api.submission_count(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_index_is_not_queued_twice() {
    let api = Api::start().await;
    assert_eq!(api.submit(10).await["state"], "queued");
    assert_eq!(api.submit(10).await["state"], "pending");
    assert_eq!(api.redis::<usize>(&["XLEN", "jobs"]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_served_as_text_or_json() {
    let api = Api::start().await.with_worker().await;
    api.submit(2_395).await;
    let text = api.get("/values/2395").await;
    assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
    let tag = etag(&text);
    let digits = text.text().await.unwrap();
    assert_eq!(digits.len(), 501);
    let json =
        api.request("/values/2395").header("accept", "application/json").send().await.unwrap();
    assert_ne!(etag(&json), tag);
    assert_eq!(
        json.json::<Value>().await.unwrap(),
        json!({"index": 2395, "digits": 501, "value": digits})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_value_is_immutable() {
    let api = Api::start().await.with_worker().await;
    api.submit(2_395).await;
    let value = api.get("/values/2395").await;
    assert_eq!(value.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(
        api.get_if_none_match(&etag(&value), "/values/2395").await.status(),
        StatusCode::NOT_MODIFIED
    );
    assert_eq!(api.get_if_none_match("\"other\"", "/values/2395").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_value_must_be_revalidated() {
    let api = Api::start().await;
    // The longest value that the hash `values` has whole, and F(11), which an original worker
    // stores for the index 10.
    let longest = "7".repeat(contract::MAX_WHOLE_DIGITS);
    for (index, value) in [(contract::LAST_WHOLE_INDEX, longest.as_str()), (10, "89")] {
        api.submit(index).await;
        api.redis::<usize>(&["HSET", "values", &index.to_string(), value]).await;
        let path = format!("/values/{index}");
        let response = api.get(&path).await;
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let tag = etag(&response);
        assert_eq!(response.text().await.unwrap(), value);
        assert_eq!(api.get_if_none_match(&tag, &path).await.status(), StatusCode::NOT_MODIFIED);
        api.redis::<usize>(&["HSET", "values", &index.to_string(), "55"]).await;
        let corrected = api.get_if_none_match(&tag, &path).await;
        assert_eq!(corrected.text().await.unwrap(), "55");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_list_is_not_sent_again() {
    let api = Api::start().await.with_worker().await;
    api.submit(10).await;
    api.until_listed([(10, "55")]).await;
    for path in [
        "/values/all",
        "/values/all?limit=5",
        "/values/current",
        "/values/current?limit=50&digits=60",
    ] {
        let response = api.get(path).await;
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let tag = etag(&response);
        // A proxy that compresses responses makes their tags weak.
        for tag in [&tag, &format!("W/{tag}")] {
            let again = api.get_if_none_match(tag, path).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert_eq!(again.text().await.unwrap(), "");
        }
        // A new submission changes each list at once.
        let before = response.text().await.unwrap();
        let next = before.len() as u32;
        api.submit(next).await;
        let changed = api.get_if_none_match(&tag, path).await;
        assert_eq!(changed.status(), StatusCode::OK, "{path}");
        assert!(changed.text().await.unwrap().contains(&next.to_string()), "{path}");
        api.until("no value is pending", async |api| {
            !api.values().await.to_string().contains(contract::PENDING)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_never_submitted_is_not_found_even_with_its_etag() {
    let api = Api::start().await.with_worker().await;
    for tag in ["", "\"10-text\""] {
        let response = api.get_if_none_match(tag, "/values/10").await;
        let refusal = ApiProblem::from_response(response).await;
        assert_eq!(
            (refusal.status, refusal.title.as_str()),
            (StatusCode::NOT_FOUND, "Never submitted")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_no_longer_cached_is_calculated_during_the_request() {
    let api = Api::start().await.with_worker().await;
    api.submit(5_000).await;
    api.until("the digits are cached", async |api| api.redis(&["EXISTS", "value:5000"]).await)
        .await;
    for lose in [&["DEL", "value:5000"][..], &["FLUSHALL"]] {
        api.redis::<redis::Value>(lose).await;
        let response = api.get("/values/5000").await;
        assert_eq!(response.status(), StatusCode::OK, "{lose:?}");
        assert_eq!(response.text().await.unwrap().len(), 1045);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_calculated_in_time_is_answered_with_202() {
    let api = Api::start().await;
    api.submit(10).await;
    let response = api.get("/values/10").await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let name = "attachment; filename=\"fibonacci-10-not-there-yet.json\"";
    assert_eq!(response.headers()["content-disposition"], name);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.json::<Value>().await.unwrap()["working"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_served() {
    let api = Api::start().await;
    for (path, operations) in api.json("/openapi.json").await["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let url = format!("{}{}", api.url, path.replace("{index}", "1"));
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let status =
                api.http.request(method, url).send().await.unwrap().status().as_u16().to_string();
            let described = operation["responses"].as_object().unwrap();
            assert!(described.contains_key(&status), "{path} returned {status}");
            assert_ne!(status, "405", "{path}");
        }
    }
}
