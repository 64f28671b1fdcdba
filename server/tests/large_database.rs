//! Migration of an original database with five million rows, after another transaction has released
//! the table. Its own test binary, because it keeps Postgres busy for half a minute.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
use stack::testing::TEST_TIMEOUT;
use stack::{AppService, Port, Process, isolated};

const ROWS: u32 = 5_000_000;
/// Enough for a busy machine. A migration's statement has no timeout of 10 s as a request's has.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(240);

#[tokio::test]
async fn five_million_rows_are_migrated_after_a_long_transaction() {
    let (postgres, redis) = (stack::testing::postgres().unwrap(), stack::testing::redis().unwrap());
    let sql = |sql: &str| postgres.psql("postgres", sql).unwrap().trim().to_owned();
    sql("CREATE TABLE values (number INT)");
    sql(&format!("INSERT INTO values SELECT generate_series(1, {ROWS})"));
    let mut reader = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    reader.execute("BEGIN; SELECT * FROM values LIMIT 1").await.unwrap();

    let (port, metrics_port) = (Port::free().unwrap(), Port::free().unwrap());
    let builder =
        isolated(Process::builder("server", env!("CARGO_BIN_EXE_server")), metrics_port.number())
            .env("PORT", port.number().to_string())
            .env("DATABASE_URL", postgres.url("postgres"))
            .env("REDIS_URL", redis.url());
    let server = AppService::new(builder, port, metrics_port);
    server.launch().unwrap();
    server.wait_for_log("canceling statement due to lock timeout", TEST_TIMEOUT).unwrap();
    // The migration delays the inserts of an original server only briefly.
    let started = Instant::now();
    sql("INSERT INTO values(number) VALUES (1)");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    reader.close().await.unwrap();
    let released = Instant::now();
    server.wait_for_log("schema is up to date", MIGRATION_TIMEOUT).unwrap();
    println!("{ROWS} rows: {:.1} s", released.elapsed().as_secs_f64());
    server.wait_ready().unwrap();
    assert_eq!(
        sql("SELECT count(*), sum(submissions) FROM indices"),
        format!("{ROWS}|{}", ROWS + 1)
    );
    assert!(server.exited().is_none());
}
