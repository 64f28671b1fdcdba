//! Migrates the schema: at the start, and again when the tables are gone because the database was
//! replaced.
//!
//! Each attempt is one transaction on a connection of its own, with an advisory lock and settings
//! that end with it: so it works through a pooler that gives each transaction another session. A
//! statement may take as long as it needs, as rewriting a large table does, but waits for a lock
//! only briefly: other statements on the table would queue behind it.

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

/// Of an attempt's transaction.
const SETTINGS: [(&str, &str); 5] = [
    ("statement_timeout", "0"),
    // Less than a request or a health check waits for an answer.
    ("lock_timeout", "500ms"),
    // How soon Postgres ends the transaction, and with it the locks, of an api that has vanished
    // without closing the connection.
    ("idle_in_transaction_session_timeout", "10s"),
    // How soon it ends the statement of an api that has ended.
    ("client_connection_check_interval", "1s"),
    // Five million rows are grouped by sorting, and so fill the indexes in order: 35 s on a busy
    // machine, not 305.
    ("enable_hashagg", "off"),
];
/// Two apis migrate one after the other. Any number that nobody else uses.
const ADVISORY_LOCK: i64 = 0x0046_6962_6f6e_6163;
/// A Postgres that is unavailable for so long has vanished without closing the connection.
const UNAVAILABLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between the discovery that tables are missing and their migration.
const REMIGRATION_DELAY: Duration = Duration::from_secs(1);

/// The migrations in `server/migrations`.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    // Those of newer versions only expand the schema.
    migrations.set_ignore_missing(true);
    // sqlx's lock belongs to the session.
    migrations.set_locking(false);
    migrations
});

/// Keeps the schema up to date until `token` is cancelled. An error needs an operator.
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

/// Tries until the schema is up to date, or the error is not transient.
async fn migrate(options: &PgConnectOptions, health: &PostgresHealth) -> Result<(), MigrateError> {
    let options = options.clone().disable_statement_logging();
    let attempt = || attempt_until_vanished(&options, &SETTINGS, health, UNAVAILABLE_TIMEOUT);
    let mut logged = String::new();
    let notify = |error: &MigrateError, _| {
        let reason = error.to_string();
        let is_new = reason != logged;
        match error {
            MigrateError::ExecuteMigration(..) if is_new => {
                tracing::warn!(reason, "cannot migrate the schema yet");
            }
            MigrateError::Execute(error)
                if is_new && PostgresFailure::from(error) == PostgresFailure::Conflict =>
            {
                tracing::info!(reason, "another api migrates the schema");
            }
            // What prevents a connection is logged by `postgres_health`.
            _ => tracing::debug!(reason, "cannot migrate the schema yet"),
        }
        logged = reason;
    };
    attempt.retry(RECONNECT).when(is_transient).notify(notify).await
}

/// As [`attempt`], but fails when Postgres has been unavailable for `timeout` meanwhile.
async fn attempt_until_vanished(
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

/// Runs the migrations that are missing, on a connection of its own.
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
    let prepare = format!("{settings} SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *transaction).await?;
    // `run` cannot be called from a task: "implementation of `Acquire` is not general enough".
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

fn is_transient(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) => PostgresFailure::from(error) != PostgresFailure::Permanent,
        // A table that a migration expects is not missing for a while.
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
