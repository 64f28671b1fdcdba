//! Whatever stands in Redis under our names: wrong types, binary, huge. Nothing breaks, nothing
//! wrong is shown, and nothing that was accepted waits for a person. Garbage from clients is in
//! `bad_input`.

use axum::http::StatusCode;
use serde_json::json;

use crate::Api;

/// Every key that we read, but for those of single values.
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
        let api = Api::start().await.worker().await;
        api.submit(10).await;
        api.until_shown([(10, "55")]).await;
        // A list: nothing of ours is one. Put there at one blow, because the system goes on
        // meanwhile.
        api.redis::<usize>(&["RPUSH", "a list", "garbage"]).await;
        api.redis::<String>(&["RENAME", "a list", key]).await;

        api.submit_all([10, 11, 12]).await;
        assert_eq!(api.submissions().await.as_array().unwrap().len(), 4, "{key}");
        // What cannot be read now may be asked for again; it is never something else.
        let answer = api.get("/values/10").await;
        if answer.status() == StatusCode::OK {
            assert_eq!(answer.text().await.unwrap(), "55", "{key}");
        } else {
            assert_eq!(answer.headers()["retry-after"], "1", "{key}");
        }
        api.until("all is calculated and shown", async |api| {
            api.text("/values/current").await == r#"{"10":"55","11":"89","12":"144"}"#
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_none_of_ours_are_not_shown_and_harm_nobody() {
    let api = Api::start().await.worker().await;
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
    api.until_shown([(10, "55")]).await;
    assert_eq!(api.values().await, json!({ "10": "55" }));
    assert_eq!(api.dead_letters().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_value_of_another_type_is_calculated_anew() {
    let api = Api::start().await.worker().await;
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

/// What may stand where a value or a job's entry should, and is none: text, binary, huge.
fn garbage() -> [Vec<u8>; 4] {
    [b"not a number".into(), b"".into(), b"\xff\xfe\x00".into(), b"x".repeat(5_000_000)]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_value_keeps_no_other_index_waiting() {
    let api = Api::start().await.worker().await;
    api.redis::<usize>(&[&b"HSET"[..], b"values", b"10", b"\xff\xfe"]).await;
    api.redis::<usize>(&["RPUSH", "value:1002", "x"]).await;
    // As if they had been accepted while Redis was away.
    api.sql(r#"INSERT INTO "values" (number) VALUES (1002); INSERT INTO "values" (number) SELECT generate_series(1, 400)"#);
    api.until_all_done().await;
    let current = api.values().await;
    assert_eq!((&current["10"], &current["11"]), (&json!("55"), &json!("89")));
    assert_eq!(api.digits(1002).await.len(), 210);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_never_acknowledged_as_a_value() {
    let api = Api::start().await.worker().await;
    let huge = b"9".repeat(5_000_000);
    for garbage in garbage().iter().chain([&huge]) {
        api.redis::<usize>(&[b"HSET", &b"values"[..], b"10", garbage]).await;
        // Made good meanwhile, or on its way; never that.
        let answer = api.submit(10).await;
        let is_right = answer["value"] == "55";
        assert!(is_right || (answer["state"] != "done" && answer["value"].is_null()), "{answer}");
        api.until_shown([(10, "55")]).await;
    }
    for garbage in garbage() {
        api.redis::<usize>(&["HDEL", "values", "3000"]).await;
        api.redis::<String>(&[b"SET", &b"value:3000"[..], &garbage]).await;
        let answer = api.submit(3_000).await;
        let is_right =
            answer["value"].as_str().is_some_and(|value| value.starts_with("4106158863079712603"));
        assert!(is_right || (answer["state"] != "done" && answer["value"].is_null()), "{answer}");
        api.until("the value is right", async |api| api.digits(3000).await.len() == 627).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_job_or_dead_letter_is_not_there_is_calculated() {
    let api = Api::start().await.worker().await;
    for (index, entry) in garbage().iter().chain([&b"1-1".to_vec()]).enumerate() {
        let [queued, failed] = [10 + index, 20 + index].map(|index| index.to_string().into_bytes());
        api.redis::<usize>(&[b"HSET", &b"jobs:queued"[..], &queued, entry]).await;
        api.redis::<usize>(&[b"HSET", &b"jobs:dead:indices"[..], &failed, entry]).await;
    }
    api.submit_all((10..15).chain(20..25)).await;
    api.until_shown([(10, "55"), (14, "377"), (20, "6765"), (24, "46368")]).await;
    api.until("the queue is empty", async |api| api.ready().await["queue"] == 0).await;
    assert_eq!(api.dead_letters().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_lost_its_jobs_is_not_full_of_them() {
    let api = Api::with(&["--max-queue", "3"]).await;
    api.submit_all([30, 20, 10]).await;
    api.redis::<usize>(&["DEL", "jobs"]).await;
    // The reconciliation finds this one.
    api.sql(r#"INSERT INTO "values" (number) VALUES (5)"#);
    let api = api.worker().await;
    api.until_shown([(5, "5"), (10, "55"), (20, "6765"), (30, "832040")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_the_highest_possible_id_does_not_end_the_stream() {
    let api = Api::start().await.worker().await;
    let highest = "18446744073709551615-18446744073709551615";
    for stream in ["jobs", "jobs:dead"] {
        api.redis::<String>(&["XADD", stream, highest, "index", "garbage"]).await;
    }
    api.submit(10).await;
    api.until_shown([(10, "55")]).await;
    api.until_redis("what was there is gone", &["EXISTS", "jobs:dead"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indices_that_were_never_submitted_push_none_out_of_the_lists() {
    let api = Api::start().await.worker().await;
    let mut strangers = vec!["ZADD".to_owned(), "values:recent".to_owned()];
    for stranger in 0..1_000 {
        strangers.extend([format!("1e{}", stranger % 300 + 9), (1_000_000 + stranger).to_string()]);
        strangers.extend(["0.5".to_owned(), format!("garbage {stranger}")]);
    }
    api.redis::<usize>(&strangers).await;
    api.redis::<usize>(&["ZADD", "values:recent", "inf", "10"]).await;
    api.submit_all([10, 11, 12]).await;
    api.until_shown([(10, "55"), (11, "89"), (12, "144")]).await;
    api.until_redis("nothing else is listed", &["ZCARD", "values:recent"], 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_from_the_future_is_removed() {
    let api = Api::start().await;
    for score in ["inf", "99999999999"] {
        api.redis::<usize>(&["ZADD", "workers", score, "somebody"]).await;
        assert_eq!(api.ready().await["workers"], 0, "{score}");
    }
    api.until_redis("it is forgotten", &["ZCARD", "workers"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_hold_no_index_are_passed_over() {
    let api = Api::start().await.worker().await;
    // As an original server may insert them beside us.
    api.sql(r#"INSERT INTO "values" (number) VALUES (NULL), (-7), (7), (NULL), (2147483647)"#);
    api.submit(10).await;
    api.until_shown([(10, "55"), (7, "13")]).await;
    assert_eq!(api.numbers("/values/all").await, [7, 2_147_483_647, 10]);
    let indices = api.json("/indices").await;
    let indices = indices.as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap());
    assert_eq!(indices.collect::<Vec<_>>(), [10, 2_147_483_647, 7]);
    assert_eq!(api.values().await, json!({ "7": "13", "10": "55" }));
}
