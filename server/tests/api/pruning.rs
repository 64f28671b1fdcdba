//! Pruning of the oldest submissions beyond MAX_SUBMISSIONS.

use sqlx::{Connection, Executor, PgConnection};

use crate::Api;

#[tokio::test(flavor = "multi_thread")]
async fn pruning_keeps_the_newest_submissions_and_all_counts() {
    let mut api = Api::start().await;
    api.sql("INSERT INTO values SELECT number % 10 FROM generate_series(1, 20000) AS number");
    api.restart(&["--max-submissions", "100"]).await;
    api.until("the oldest are deleted", async |api| api.submission_count() == "100").await;
    assert_eq!(api.sql("SELECT min(id), max(id) FROM values"), "19901|20000");
    assert_eq!(api.sql("SELECT count(*), sum(submissions) FROM indices"), "10|20000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_delays_neither_pruning_nor_submissions() {
    let mut api = Api::start().await;
    api.submit_all(0..10).await;
    let url = api.database.as_ref().unwrap().url();
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN; SELECT FROM values WHERE id = 1 FOR UPDATE").await.unwrap();
    api.restart(&["--max-submissions", "5"]).await;
    api.until("the others are deleted", async |api| api.submission_count() == "6").await;
    api.submit(10).await;
}
