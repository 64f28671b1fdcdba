//! Whatever stands in Redis under our names: wrong types, binary, huge. Nothing breaks, nothing wrong is shown, and nothing
//! that was accepted waits for a person.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::Api;

/// Every key that we read, but for those of single values.
const KEYS: [&str; 7] =
    ["values", "values:recent", "jobs", "jobs:queued", "jobs:dead", "jobs:dead:indices", "workers"];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_is_made_good_and_nothing_is_refused_meanwhile() {
    for key in KEYS {
        let api = Api::start().await.worker().await;
        api.submit(10).await;
        api.until_shown(10, "55").await;
        // A list: nothing of ours is one. Put there at one blow, because the system goes on meanwhile.
        api.redis::<usize>(&["RPUSH", "a list", "garbage"]).await;
        api.redis::<String>(&["RENAME", "a list", key]).await;

        for index in [10, 11, 12] {
            let answer = api.post(json!({ "index": index })).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{key}: {index}");
        }
        assert_eq!(api.json("/values/all").await.as_array().unwrap().len(), 4, "{key}");
        // What cannot be read now may be asked for again; it is never something else.
        let answer = api.get("/values/10").send().await.unwrap();
        if answer.status() == StatusCode::OK {
            assert_eq!(answer.text().await.unwrap(), "55", "{key}");
        } else {
            assert_eq!(answer.headers()["retry-after"], "1", "{key}");
        }
        api.until("all is calculated and shown", async |api| {
            let values = api.get("/values/current").send().await.unwrap();
            values.json::<Value>().await.unwrap() == json!({ "10": "55", "11": "89", "12": "144" })
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_none_of_ours_are_not_shown_and_harm_nobody() {
    let api = Api::start().await.worker().await;
    let huge = "9".repeat(5_000_000);
    for (field, value) in [("abc", "55"), ("-1", "1"), ("99999999999", "1"), ("", ""), ("\u{0}\u{1}", &huge)]
    {
        api.redis::<usize>(&["HSET", "values", field, value]).await;
        api.redis::<usize>(&["HSET", "jobs:queued", field, value]).await;
        api.redis::<usize>(&["HSET", "jobs:dead:indices", field, value]).await;
    }
    api.redis::<usize>(&["ZADD", "values:recent", "1", "abc", "2", "-1", "3", "\u{0}"]).await;
    api.redis::<usize>(&["ZADD", "workers", "inf", "somebody"]).await;
    api.submit(10).await;
    api.until_shown(10, "55").await;
    assert_eq!(api.json("/values/current").await, json!({ "10": "55" }));
    assert_eq!(api.json("/values/failed").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_value_of_another_type_is_calculated_anew() {
    let api = Api::start().await.worker().await;
    api.submit(1_000).await;
    let whole = api.get("/values/1000").send().await.unwrap().text().await.unwrap();
    assert_eq!(whole.len(), 209);
    api.redis::<usize>(&["DEL", "value:1000"]).await;
    api.redis::<usize>(&["RPUSH", "value:1000", "garbage"]).await;
    api.redis::<usize>(&["HDEL", "values", "1000"]).await;
    assert_eq!(api.get("/values/1000").send().await.unwrap().text().await.unwrap(), whole);
    api.redis::<String>(&["SET", "value:1000", "not a number"]).await;
    assert_eq!(api.get("/values/1000").send().await.unwrap().text().await.unwrap(), whole);
}
