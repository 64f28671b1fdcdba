//! Postgres, or the bound of an index, is another one than what Redis knows: the lists follow.

use axum::http::StatusCode;
use serde_json::json;

use crate::Api;

/// With submitted indices in the lists: 20 has a value, 10 and 30 are pending.
async fn api_with_lists() -> Api {
    let api = Api::start().await;
    api.submit_all([10, 20, 30]).await;
    api.redis::<usize>(&["HSET", "values", "20", "6765"]).await;
    api
}

async fn until_only_new_indices_are_listed(api: &Api) {
    api.until("the api is not ready", async |api| api.ready().await["postgres"] == "down").await;
    api.until("the api is ready again", async |api| api.ready().await["postgres"] == "up").await;
    api.redis::<usize>(&["HSET", "values", "7", "Nothing yet!"]).await;
    api.submit(40).await;
    api.until("nothing else is listed", async |api| {
        api.values().await == json!({ "40": "Nothing yet!" })
    })
    .await;
    assert_eq!(api.numbers("/values/all").await, [40]);
    api.until_redis("nothing else is kept", &["ZCARD", "values:recent"], 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_emptied_is_migrated_again_without_a_restart() {
    let api = api_with_lists().await;
    api.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    until_only_new_indices_are_listed(&api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_dropped_and_created_is_migrated_without_a_restart() {
    let api = api_with_lists().await;
    api.database.as_ref().unwrap().replace().unwrap();
    until_only_new_indices_are_listed(&api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_not_ready_even_if_the_migrations_are_applied() {
    let api = Api::start().await;
    api.sql("DROP TABLE indices");
    api.until("the api is not ready", async |api| api.ready().await["postgres"] == "down").await;
    api.submit_refused(10).await.assert_retryable();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_lower_max_index_nothing_above_it_is_listed_or_pending() {
    let mut api = api_with_lists().await;
    api.submit_all([5, 1_000]).await;
    api.redis::<usize>(&["HSET", "values", "2000", "Nothing yet!"]).await;
    api.restart(&["--max-index", "20"]).await;
    let listed = json!({ "5": "Nothing yet!", "10": "Nothing yet!", "20": "6765" });
    api.until("higher indices are gone", async |api| api.values().await == listed).await;

    // Jobs that were queued under the old bound are calculated, but their values are not listed.
    let api = api.worker().await;
    api.until("the queue is empty", async |api| api.ready().await["queue"] == 0).await;
    let listed = json!({ "5": "5", "10": "55", "20": "6765" });
    api.until("only lower values are listed", async |api| api.values().await == listed).await;
    assert_eq!(api.refusal("/values/30").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_lower_max_index_calculates_what_the_api_accepted() {
    let api = Api::with(&["--max-index", "1000"]).await.worker_with(&["--max-index", "10"]).await;
    api.submit(50).await;
    api.until_shown([(50, "12586269025")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_worker_with_a_higher_max_index_accepts_is_not_pending_for_ever() {
    let api = Api::with(&["--max-index", "10"]).await.worker_with(&["--max-index", "1000"]).await;
    api.until("the worker listens", async |api| {
        api.redis::<usize>(&["PUBLISH", "insert", "50"]).await > 0
    })
    .await;
    api.until("it has calculated it", async |api| {
        api.redis::<usize>(&["EXISTS", "value:50"]).await == 1
    })
    .await;
    api.until("it is not listed", async |api| api.values().await == json!({})).await;
}
