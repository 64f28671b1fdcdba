//! With real Postgres. How the api behaves meanwhile is tested in `tests/api`.

use sqlx::migrate::Migration;
use sqlx::{Executor, SqlSafeStr};
use stack::eventually;
use stack::testing::{Database, TEST_TIMEOUT};

use super::catalog::Catalog;
use super::*;

/// An original database, with rows.
fn original_database() -> Database {
    let database = Database::new().unwrap();
    database.psql("CREATE TABLE values (number INT); INSERT INTO values VALUES (7), (NULL), (7)").unwrap();
    database
}

fn options(database: &Database) -> PgConnectOptions {
    database.url().parse().unwrap()
}

/// A reader such as pg_dump: its transaction has read the table, and stays open.
async fn reader(database: &Database) -> PgConnection {
    let mut reader = PgConnection::connect_with(&options(database)).await.unwrap();
    reader.execute(r#"BEGIN; SELECT * FROM "values""#).await.unwrap();
    reader
}

fn advisory_locks(database: &Database) -> String {
    let locks = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE locktype = 'advisory' AND datname = current_database()";
    database.psql(locks).unwrap().trim().to_owned()
}

#[tokio::test]
async fn each_migration_only_expands_the_schema() {
    let database = original_database();
    let mut connection = PgConnection::connect_with(&options(&database)).await.unwrap();
    let mut before = Catalog::read(&database);
    for migration in MIGRATIONS.iter() {
        MIGRATIONS.run_to(migration.version, &mut connection).await.unwrap();
        let after = Catalog::read(&database);
        assert_eq!(
            before.incompatibilities_with(&after),
            Vec::<String>::new(),
            "migration {}",
            migration.version
        );
        before = after;
    }
}

#[tokio::test]
async fn a_migration_that_breaks_older_binaries_is_detected() {
    let database = original_database();
    attempt(&options(&database), &[]).await.unwrap();
    let before = Catalog::read(&database);
    for expansion in [
        "ALTER TABLE indices ADD COLUMN note TEXT",
        "ALTER TABLE indices ADD COLUMN weight INT NOT NULL DEFAULT 1 CHECK (weight > 0)",
        "CREATE TABLE notes (id INT PRIMARY KEY, number INT NOT NULL REFERENCES indices)",
        "CREATE INDEX ON indices (submissions)",
    ] {
        database.psql(expansion).unwrap();
        assert_eq!(
            before.incompatibilities_with(&Catalog::read(&database)),
            Vec::<String>::new(),
            "{expansion}"
        );
    }
    for (breaking, undo) in [
        (
            r#"ALTER TABLE "values" RENAME created_at TO moment"#,
            r#"ALTER TABLE "values" RENAME moment TO created_at"#,
        ),
        ("ALTER TABLE indices ALTER number TYPE bigint", "ALTER TABLE indices ALTER number TYPE int"),
        ("ALTER TABLE indices ALTER done DROP NOT NULL", "ALTER TABLE indices ALTER done SET NOT NULL"),
        ("ALTER TABLE indices ALTER done DROP DEFAULT", "ALTER TABLE indices ALTER done SET DEFAULT false"),
        ("ALTER TABLE indices ADD must TEXT NOT NULL", "ALTER TABLE indices DROP must"),
        (
            "ALTER TABLE indices ADD CONSTRAINT low CHECK (number < 9)",
            "ALTER TABLE indices DROP CONSTRAINT low",
        ),
        ("CREATE UNIQUE INDEX one ON indices (newest)", "DROP INDEX one"),
        ("ALTER FUNCTION note_indices() RENAME TO note", "ALTER FUNCTION note() RENAME TO note_indices"),
        (
            r#"ALTER TRIGGER note_indices ON "values" RENAME TO note"#,
            r#"ALTER TRIGGER note ON "values" RENAME TO note_indices"#,
        ),
        ("DROP TABLE health", "SELECT"),
    ] {
        // The table must be empty for a required column.
        database.psql(&format!(r#"TRUNCATE "values", indices CASCADE; {breaking}"#)).unwrap();
        assert_ne!(
            before.incompatibilities_with(&Catalog::read(&database)),
            Vec::<String>::new(),
            "{breaking}"
        );
        database.psql(undo).unwrap();
    }
}

#[test]
fn line_endings_do_not_change_a_checksum() {
    let windows = sqlx::migrate!("src/migrations/crlf");
    let windows = windows.iter().next().unwrap();
    assert!(windows.sql.as_str().contains("\r\n"), "git has changed the file");
    let sql = AssertSqlSafe(windows.sql.as_str().replace('\r', "")).into_sql_str();
    let unix = Migration::new(1, "line endings".into(), windows.migration_type, sql, false);
    assert_eq!(windows.checksum, unix.checksum);
}

#[tokio::test]
async fn a_failed_attempt_leaves_no_lock() {
    let database = original_database();
    let reader = reader(&database).await;
    let error = attempt(&options(&database), &SETTINGS).await.unwrap_err();
    assert!(is_transient(&error) && error.to_string().contains("lock timeout"), "{error}");
    let no_lock = async || (advisory_locks(&database) == "0").then_some(());
    eventually("the advisory lock is released", TEST_TIMEOUT, no_lock).await;
    reader.close().await.unwrap();
    attempt(&options(&database), &SETTINGS).await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_is_cancelled_leaves_no_lock() {
    let database = original_database();
    let options = options(&database);
    let reader = reader(&database).await;
    // Without lock_timeout, so that it waits for the reader's lock.
    let settings = [("client_connection_check_interval", "100ms")];
    let attempt = tokio::spawn(async move { attempt(&options, &settings).await });
    let locked = async || (advisory_locks(&database) == "1").then_some(());
    eventually("the advisory lock is held", TEST_TIMEOUT, locked).await;
    attempt.abort();
    let no_lock = async || (advisory_locks(&database) == "0").then_some(());
    eventually("the advisory lock is released", TEST_TIMEOUT, no_lock).await;
    reader.close().await.unwrap();
}

#[tokio::test]
async fn what_needs_an_operator_is_not_tried_again() {
    let database = Database::new().unwrap();
    database.psql("CREATE TABLE indices (something TEXT)").unwrap();
    let health = PostgresHealth::new(options(&database));
    let error = migrate(&options(&database), &health).await.unwrap_err().to_string();
    assert!(
        error.contains(r#"migration 1: error returned from database: relation "indices" already"#),
        "{error}"
    );

    database.psql("DROP TABLE indices").unwrap();
    migrate(&options(&database), &health).await.unwrap();
    database.psql("UPDATE _sqlx_migrations SET checksum = 'changed' WHERE version = 1").unwrap();
    let error = migrate(&options(&database), &health).await.unwrap_err();
    assert_eq!(error.to_string(), "migration 1 was previously applied but has been modified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_vanishes_amid_a_migration_does_not_end_the_attempts() {
    let database = original_database();
    let proxy = stack::Proxy::to(database.port()).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", proxy.port(), database.name());
    let options = url.parse::<PgConnectOptions>().unwrap();
    let settings = [("idle_in_transaction_session_timeout", "1s")];
    let health = PostgresHealth::new(options.clone());
    let token = CancellationToken::new();
    let _polling = tokio::spawn(Arc::clone(&health).poll(token.clone()));
    // Without a lock timeout: the statement waits when Postgres vanishes.
    let reader = reader(&database).await;
    let waiting = async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        (database.psql(waiting).unwrap().trim() != "0").then_some(())
    };
    let until_vanished = attempt_until_vanished(&options, &settings, &health, Duration::from_secs(1));
    let cut = async {
        eventually("the migration waits", TEST_TIMEOUT, waiting).await;
        proxy.cut();
    };
    let (outcome, ()) = tokio::join!(until_vanished, cut);
    assert!(is_transient(&outcome.unwrap_err()));
    reader.close().await.unwrap();
    proxy.heal();
    eventually("Postgres is back", TEST_TIMEOUT, async || {
        attempt_until_vanished(&options, &settings, &health, UNAVAILABLE_TIMEOUT).await.ok()
    })
    .await;
    token.cancel();
}
