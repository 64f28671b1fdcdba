//! Migrates the schema at the start, and again when tables are missing because the database was
//! replaced.
//!
//! Each attempt is one transaction on its own connection. The advisory lock and the settings last
//! as long as the transaction, so an attempt also works through a pooler that gives each
//! transaction another session. A statement may run as long as it needs, for example to rewrite a
//! large table, but it waits for a lock only briefly: other statements on the table queue behind a
//! waiting one.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use backon::Retryable;
use service::RECONNECT;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::database::PostgresFailure;
use crate::postgres_health::PostgresHealth;

/// Settings of the transaction of an attempt.
const TRANSACTION_SETTINGS: [(&str, &str); 5] = [
    ("statement_timeout", "0"),
    // Shorter than the timeouts of requests and health checks that wait behind the migration.
    ("lock_timeout", "500ms"),
    // If the api vanishes without closing the connection, Postgres ends the transaction and
    // releases its locks after this time.
    ("idle_in_transaction_session_timeout", "10s"),
    // If the api ends during a statement, Postgres cancels the statement within this time.
    ("client_connection_check_interval", "1s"),
    // Groups rows by sorting, which fills the indexes in order: five million rows take 35 s on a
    // busy machine, not 305.
    ("enable_hashagg", "off"),
];
/// Key of the lock by which concurrent apis migrate one after the other: "Fibonac" in ASCII.
const ADVISORY_LOCK_KEY: i64 = 0x0046_6962_6f6e_6163;
/// When Postgres is unavailable for this long, an attempt's connection is considered lost.
const UNAVAILABLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Delay between the discovery of missing tables and the migration.
const REMIGRATION_DELAY: Duration = Duration::from_secs(1);

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    // A newer version may have applied further migrations, which only expand the schema.
    migrations.set_ignore_missing(true);
    // sqlx locks the session, not the transaction.
    migrations.set_locking(false);
    migrations
});

/// Keeps the schema up to date until `token` is cancelled. Returns an error that only the operator
/// can correct.
pub(crate) async fn run(
    options: PgConnectOptions,
    health: Arc<PostgresHealth>,
    token: CancellationToken,
) -> Result<(), MigrateError> {
    match token.run_until_cancelled(keep_migrated(&options, &health)).await {
        Some(Err(error)) => Err(error),
        None => Ok(()),
    }
}

async fn keep_migrated(
    options: &PgConnectOptions,
    health: &Arc<PostgresHealth>,
) -> Result<Infallible, MigrateError> {
    loop {
        migrate(options, health).await?;
        health.set_migrated(true);
        if health.accepts_writes().await {
            tracing::info!("schema is up to date");
        } else {
            tracing::warn!(
                "all migrations are applied, but postgres does not accept writes or lacks a table"
            );
        }
        health.until_schema_missing().await;
        health.set_migrated(false);
        tokio::time::sleep(REMIGRATION_DELAY).await;
    }
}

/// Retries until the schema is up to date or an error is not transient.
async fn migrate(options: &PgConnectOptions, health: &PostgresHealth) -> Result<(), MigrateError> {
    let options = options.clone().disable_statement_logging();
    let attempt =
        || attempt_while_available(&options, &TRANSACTION_SETTINGS, health, UNAVAILABLE_TIMEOUT);
    let mut last_reason = String::new();
    let notify = |error: &MigrateError, _| {
        let reason = error.to_string();
        let is_new = reason != last_reason;
        match error {
            MigrateError::ExecuteMigration(..) if is_new => {
                tracing::warn!(reason, "cannot migrate the schema yet");
            }
            MigrateError::Execute(error)
                if is_new && PostgresFailure::from(error) == PostgresFailure::Conflict =>
            {
                tracing::info!(reason, "another api migrates the schema");
            }
            // `postgres_health` logs why there is no connection.
            _ => tracing::debug!(reason, "cannot migrate the schema yet"),
        }
        last_reason = reason;
    };
    attempt.retry(RECONNECT).when(is_transient).notify(notify).await
}

/// As [`attempt`], but fails if Postgres becomes unavailable for `timeout`.
async fn attempt_while_available(
    options: &PgConnectOptions,
    settings: &[(&str, &str)],
    health: &PostgresHealth,
    timeout: Duration,
) -> Result<(), MigrateError> {
    tokio::select! {
        outcome = attempt(options, settings) => outcome,
        () = health.until_unavailable_for(timeout) => {
            Err(sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)).into())
        }
    }
}

/// Runs the missing migrations on a new connection.
pub(crate) async fn attempt(
    options: &PgConnectOptions,
    settings: &[(&str, &str)],
) -> Result<(), MigrateError> {
    let mut connection = PgConnection::connect_with(options).await?;
    let outcome = run_in_transaction(&mut connection, settings).await;
    // After an error, the connection may be broken.
    let _ = connection.close().await;
    outcome
}

async fn run_in_transaction(
    connection: &mut PgConnection,
    settings: &[(&str, &str)],
) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await?;
    let settings: String =
        settings.iter().map(|(name, value)| format!("SET LOCAL {name} = '{value}'; ")).collect();
    let prepare = format!("{settings} SELECT pg_advisory_xact_lock({ADVISORY_LOCK_KEY})");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *transaction).await?;
    // Not `run`, which does not compile in a spawned task: "implementation of `Acquire` is not
    // general enough".
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

fn is_transient(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) => PostgresFailure::from(error) != PostgresFailure::Permanent,
        // Waiting does not create a table that a migration expects.
        MigrateError::ExecuteMigration(error, _) => {
            let failure = PostgresFailure::from(error);
            !matches!(failure, PostgresFailure::Permanent | PostgresFailure::SchemaMissing)
        }
        _ => false,
    }
}

#[cfg(test)]
mod catalog;
#[cfg(test)]
mod tests;
