//! A backup of Postgres is enough to restore everything: Redis needs none.

use std::path::Path;
use std::process::Command;

use contract::Submission;
use e2e::{LocalSite, Site, eventually};
use stack::find_program;
use stack::testing::TEST_TIMEOUT;

/// The database of the site, dumped to `file` as docs/operations.md says.
fn back_up(site: &LocalSite, file: &Path) {
    let url = site.database_url();
    run("pg_dump", |dump| dump.args(["--format=custom", "--dbname", &url, "--file"]).arg(file));
}

/// Replaces the database with that in `file`, as docs/operations.md says.
fn restore(site: &LocalSite, file: &Path) {
    let options = ["--clean", "--if-exists", "--single-transaction", "--dbname"];
    run("pg_restore", |restore| restore.args(options).arg(site.database_url()).arg(file));
}

fn run(name: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
    let program = find_program(name).unwrap_or_else(|| panic!("{name} is not installed"));
    let output = arguments(&mut Command::new(program)).output().expect("it should start");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn until_submissions_are(site: &LocalSite, expected: &[Submission]) {
    let what = format!("{} submissions are listed", expected.len());
    eventually(&what, TEST_TIMEOUT, async || {
        let response = site.try_get("/api/values/all").await.ok()?;
        let submissions: Vec<Submission> = response.json().await.ok()?;
        (submissions == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restored_database_has_every_submission_and_gets_its_values_again() {
    let site = Site::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.dump");
    site.submit_all([10, 11, 10]).await;
    site.wait_for_value(11, "89").await;
    let before = site.submissions().await;
    back_up(&site, &file);

    site.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").expect("an empty database");
    site.redis.cli(&["FLUSHALL"]).expect("an empty Redis");
    until_submissions_are(&site, &[]).await;

    restore(&site, &file);
    until_submissions_are(&site, &before).await;
    site.wait_for_value(10, "55").await;
    site.wait_for_value(11, "89").await;
    site.submit(12).await;
    let after = site.submissions().await;
    assert!(after.last().expect("a submission").id > before[2].id, "{after:?}");
}
