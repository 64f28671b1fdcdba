//! Invalid data under our keys in Redis, and invalid rows in Postgres: no wrong value is served,
//! and every accepted index is calculated without an operator. Invalid input of clients is in
//! `bad_input`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::Api;

/// All keys except those of single values.
const KEYS: [&str; 9] = [
    "values",
    "values:recent",
    "jobs",
    "jobs:large",
    "jobs:repair",
    "jobs:queued",
    "jobs:dead",
    "jobs:dead:indices",
    "workers",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_is_repaired() {
    for key in KEYS {
        let api = Api::start().await.with_worker().await;
        api.submit(10).await;
        api.until_listed([(10, "55")]).await;
        // None of our keys is a list. RENAME replaces the key atomically: otherwise the running
        // system could create it again in between.
        api.redis::<usize>(&["RPUSH", "a list", "garbage"]).await;
        api.redis::<String>(&["RENAME", "a list", key]).await;

        api.submit_all([10, 11, 12]).await;
        assert_eq!(api.submissions().await.as_array().unwrap().len(), 4, "{key}");
        // The right value, or an error that can be retried.
        let response = api.get("/values/10").await;
        if response.status() == StatusCode::OK {
            assert_eq!(response.text().await.unwrap(), "55", "{key}");
        } else {
            assert_eq!(response.headers()["retry-after"], "1", "{key}");
        }
        api.until("all values are listed", async |api| {
            api.text("/values/current").await == r#"{"10":"55","11":"89","12":"144"}"#
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_fields_are_ignored() {
    let api = Api::start().await.with_worker().await;
    let huge = "9".repeat(5_000_000);
    for (field, value) in
        [("abc", "55"), ("-1", "1"), ("99999999999", "1"), ("", ""), ("\u{0}\u{1}", &huge)]
    {
        api.redis::<usize>(&["HSET", "values", field, value]).await;
        api.redis::<usize>(&["HSET", "jobs:queued", field, value]).await;
        api.redis::<usize>(&["HSET", "jobs:dead:indices", field, value]).await;
    }
    api.redis::<usize>(&["ZADD", "values:recent", "1", "abc", "2", "-1", "3", "\u{0}"]).await;
    api.submit(10).await;
    api.until_listed([(10, "55")]).await;
    assert_eq!(api.values().await, json!({ "10": "55" }));
    assert_eq!(api.dead_letters().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_whole_value_is_calculated_again() {
    let api = Api::start().await.with_worker().await;
    api.submit(1_000).await;
    let whole = api.digits(1000).await;
    assert_eq!(whole.len(), 209);
    api.redis::<usize>(&["DEL", "value:1000"]).await;
    api.redis::<usize>(&["RPUSH", "value:1000", "garbage"]).await;
    api.redis::<usize>(&["HDEL", "values", "1000"]).await;
    assert_eq!(api.digits(1000).await, whole);
    api.redis::<String>(&["SET", "value:1000", "not a number"]).await;
    assert_eq!(api.digits(1000).await, whole);
}

/// Texts, bytes and a large string that are neither a value nor the id of a stream entry.
fn garbage() -> [Vec<u8>; 4] {
    [b"not a number".into(), b"".into(), b"\xff\xfe\x00".into(), b"x".repeat(5_000_000)]
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_values_do_not_block_other_indices() {
    let api = Api::start().await.with_worker().await;
    api.redis::<usize>(&[&b"HSET"[..], b"values", b"10", b"\xff\xfe"]).await;
    api.redis::<usize>(&["RPUSH", "value:1002", "x"]).await;
    // As if these had been accepted while Redis was unavailable.
    api.sql(r#"INSERT INTO "values" (number) VALUES (1002)"#);
    api.sql(r#"INSERT INTO "values" (number) SELECT generate_series(1, 400)"#);
    api.until_all_done().await;
    let current = api.values().await;
    assert_eq!((&current["10"], &current["11"]), (&json!("55"), &json!("89")));
    assert_eq!(api.digits(1002).await.len(), 210);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_never_returned_as_a_value() {
    let api = Api::start().await.with_worker().await;
    let huge = b"9".repeat(5_000_000);
    for garbage in garbage().iter().chain([&huge]) {
        api.redis::<usize>(&[b"HSET", &b"values"[..], b"10", garbage]).await;
        // The right value, if it was repaired meanwhile, or none.
        let response = api.submit(10).await;
        assert!(response["value"] == "55" || is_without_value(&response), "{response}");
        api.until_listed([(10, "55")]).await;
    }
    for garbage in garbage() {
        api.redis::<usize>(&["HDEL", "values", "3000"]).await;
        api.redis::<String>(&[b"SET", &b"value:3000"[..], &garbage]).await;
        let response = api.submit(3_000).await;
        let value = response["value"].as_str().unwrap_or_default();
        let is_right = value.starts_with("4106158863079712603");
        assert!(is_right || is_without_value(&response), "{response}");
        api.until("the value is right", async |api| api.digits(3000).await.len() == 627).await;
    }
}

fn is_without_value(response: &Value) -> bool {
    response["state"] != "done" && response["value"].is_null()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_a_missing_job_or_dead_letter_is_calculated() {
    let api = Api::start().await.with_worker().await;
    for (offset, entry) in garbage().iter().chain([&b"1-1".to_vec()]).enumerate() {
        let [queued, dead_lettered] =
            [10 + offset, 20 + offset].map(|index| index.to_string().into_bytes());
        api.redis::<usize>(&[b"HSET", &b"jobs:queued"[..], &queued, entry]).await;
        api.redis::<usize>(&[b"HSET", &b"jobs:dead:indices"[..], &dead_lettered, entry]).await;
    }
    api.submit_all((10..15).chain(20..25)).await;
    api.until_listed([(10, "55"), (14, "377"), (20, "6765"), (24, "46368")]).await;
    api.until("the queue is empty", async |api| api.readiness().await["queue"] == 0).await;
    assert_eq!(api.dead_letters().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_jobs_do_not_occupy_the_queue() {
    let api = Api::with(&["--max-queue", "3"]).await;
    api.submit_all([30, 20, 10]).await;
    api.redis::<usize>(&["DEL", "jobs"]).await;
    // Only the reconciler can find this index.
    api.sql(r#"INSERT INTO "values" (number) VALUES (5)"#);
    let api = api.with_worker().await;
    api.until_listed([(5, "5"), (10, "55"), (20, "6765"), (30, "832040")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_the_highest_id_does_not_block_its_stream() {
    let api = Api::start().await.with_worker().await;
    let highest = "18446744073709551615-18446744073709551615";
    for stream in ["jobs", "jobs:dead"] {
        api.redis::<String>(&["XADD", stream, highest, "index", "garbage"]).await;
    }
    api.submit(10).await;
    api.until_listed([(10, "55")]).await;
    api.until_redis("the stream is deleted", &["EXISTS", "jobs:dead"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indices_that_were_never_submitted_do_not_evict_others() {
    let api = Api::start().await.with_worker().await;
    let mut zadd = vec!["ZADD".to_owned(), "values:recent".to_owned()];
    for foreign in 0..1_000 {
        zadd.extend([format!("1e{}", foreign % 300 + 9), (1_000_000 + foreign).to_string()]);
        zadd.extend(["0.5".to_owned(), format!("garbage {foreign}")]);
    }
    api.redis::<usize>(&zadd).await;
    api.redis::<usize>(&["ZADD", "values:recent", "inf", "10"]).await;
    api.submit_all([10, 11, 12]).await;
    api.until_listed([(10, "55"), (11, "89"), (12, "144")]).await;
    api.until_redis("nothing else is listed", &["ZCARD", "values:recent"], 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_from_the_future_is_removed() {
    let api = Api::start().await;
    for score in ["inf", "99999999999"] {
        api.redis::<usize>(&["ZADD", "workers", score, "foreign"]).await;
        assert_eq!(api.readiness().await["workers"], 0, "{score}");
    }
    api.until_redis("it is removed", &["ZCARD", "workers"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_valid_index_are_skipped() {
    let api = Api::start().await.with_worker().await;
    // An original server may insert such rows.
    api.sql(r#"INSERT INTO "values" (number) VALUES (NULL), (-7), (7), (NULL), (2147483647)"#);
    api.submit(10).await;
    api.until_listed([(10, "55"), (7, "13")]).await;
    assert_eq!(api.numbers("/values/all").await, [7, 2_147_483_647, 10]);
    let indices = api.json("/indices").await;
    let indices = indices.as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap());
    assert_eq!(indices.collect::<Vec<_>>(), [10, 2_147_483_647, 7]);
    assert_eq!(api.values().await, json!({ "7": "13", "10": "55" }));
}
