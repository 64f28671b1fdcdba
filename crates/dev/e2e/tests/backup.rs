//! A backup of Postgres alone restores all submissions and values.

use std::path::Path;
use std::process::Command;

use contract::Submission;
use e2e::{LocalSite, Site, eventually};
use serde_json::Value;
use stack::testing::TEST_TIMEOUT;
use stack::{Postgres, find_program};

const DATABASE: &str = "fibonacci";

/// Dumps the database to `file`, with the commands in docs/operations.md.
fn back_up(postgres: &Postgres, file: &Path) {
    let url = postgres.url(DATABASE);
    run("pg_dump", |dump| dump.args(["--format=custom", "--dbname", &url, "--file"]).arg(file));
}

/// Replaces the database by the dump in `file`, with the commands in docs/operations.md.
fn restore(postgres: &Postgres, file: &Path) {
    let (server, database) = (postgres.url("template1"), postgres.url(DATABASE));
    run("dropdb", |drop| drop.args(["--force", "--maintenance-db", &server, DATABASE]));
    run("createdb", |create| create.args(["--maintenance-db", &server, DATABASE]));
    let options = ["--single-transaction", "--exit-on-error", "--dbname", &database];
    run("pg_restore", |restore| restore.args(options).arg(file));
}

fn run(name: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
    let program = find_program(name).unwrap_or_else(|| panic!("{name} is not installed"));
    let output = arguments(&mut Command::new(program)).output().expect("the program should start");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The indices with their numbers of submissions.
async fn indices(site: &LocalSite) -> Value {
    site.get("/api/indices").await.json().await.expect("a list")
}

async fn wait_for_submissions(site: &LocalSite, expected: &[Submission]) {
    let what = format!("{} submissions are listed", expected.len());
    eventually(&what, TEST_TIMEOUT, async || {
        let response = site.try_get("/api/values/all").await.ok()?;
        let submissions: Vec<Submission> = response.json().await.ok()?;
        (submissions == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restored_database_recovers_all_submissions_and_values() {
    let site = Site::start();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("fibonacci.dump");
    site.submit_all([10, 11, 10]).await;
    site.wait_for_value(11, "89").await;
    let submissions = site.submissions().await;
    let counts = indices(&site).await;
    back_up(&site.postgres, &file);

    site.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").expect("an empty database");
    site.redis.cli(&["FLUSHALL"]).expect("an empty Redis");
    wait_for_submissions(&site, &[]).await;

    site.servers[0].stop().expect("the api should stop");
    restore(&site.postgres, &file);
    site.servers[0].start().expect("the api should start");
    wait_for_submissions(&site, &submissions).await;
    assert_eq!(indices(&site).await, counts);
    site.wait_for_value(10, "55").await;
    site.wait_for_value(11, "89").await;
    site.submit(12).await;
    let newest = site.submissions().await.pop().expect("a submission");
    assert!(newest.id > submissions[2].id, "{newest:?}");
}
