//! A replaced database or a changed MAX_INDEX: the lists in Redis are corrected.

use axum::http::StatusCode;
use serde_json::json;

use crate::Api;

/// An api with three listed indices: 20 has a value, 10 and 30 are pending.
async fn api_with_lists() -> Api {
    let api = Api::start().await;
    api.submit_all([10, 20, 30]).await;
    api.redis::<usize>(&["HSET", "values", "20", "6765"]).await;
    api
}

async fn until_only_new_indices_are_listed(api: &Api) {
    api.until_postgres_is("down").await;
    api.until_postgres_is("up").await;
    api.redis::<usize>(&["HSET", "values", "7", "Nothing yet!"]).await;
    api.submit(40).await;
    api.until("nothing else is listed", async |api| {
        api.values().await == json!({ "40": "Nothing yet!" })
    })
    .await;
    assert_eq!(api.numbers("/values/all").await, [40]);
    api.until_redis("nothing else is listed", &["ZCARD", "values:recent"], 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_database_is_migrated_again_without_a_restart() {
    let api = api_with_lists().await;
    api.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    until_only_new_indices_are_listed(&api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_database_is_migrated_again_without_a_restart() {
    let api = api_with_lists().await;
    api.database.as_ref().unwrap().replace().unwrap();
    until_only_new_indices_are_listed(&api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_missing_table_the_api_is_not_ready() {
    let api = Api::start().await;
    api.sql("DROP TABLE indices");
    api.until_postgres_is("down").await;
    api.submit_refused(10).await.assert_retryable();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_max_index_removes_higher_indices_from_the_lists() {
    let mut api = api_with_lists().await;
    api.submit_all([5, 1_000]).await;
    api.redis::<usize>(&["HSET", "values", "2000", "Nothing yet!"]).await;
    api.restart(&["--max-index", "20"]).await;
    let listed = json!({ "5": "Nothing yet!", "10": "Nothing yet!", "20": "6765" });
    api.until("higher indices are gone", async |api| api.values().await == listed).await;

    // Jobs that were queued under the higher bound are calculated, but their values are not listed.
    let api = api.with_worker().await;
    api.until("the queue is empty", async |api| api.readiness().await["queue"] == 0).await;
    let listed = json!({ "5": "5", "10": "55", "20": "6765" });
    api.until("only lower values are listed", async |api| api.values().await == listed).await;
    assert_eq!(api.get_refused("/values/30").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_lower_max_index_calculates_all_accepted_indices() {
    let api =
        Api::with(&["--max-index", "1000"]).await.with_worker_options(&["--max-index", "10"]).await;
    api.submit(50).await;
    api.until_listed([(50, "12586269025")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_only_the_worker_accepts_is_not_listed() {
    let api =
        Api::with(&["--max-index", "10"]).await.with_worker_options(&["--max-index", "1000"]).await;
    api.until("the worker has subscribed", async |api| {
        api.redis::<usize>(&["PUBLISH", "insert", "50"]).await > 0
    })
    .await;
    api.until_redis("the value is calculated", &["EXISTS", "value:50"], 1).await;
    api.until("the index is not listed", async |api| api.values().await == json!({})).await;
}
