//! Migrates the schema: at the start, and again when the tables are gone because the database was
//! replaced.
//!
//! Each attempt has a connection of its own, and closing it releases sqlx's advisory lock. A statement
//! may take as long as it needs, as rewriting a large table does, but waits for a lock only briefly:
//! other statements on the table would queue behind it.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use backon::Retryable;
use service::RECONNECT;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::database::PostgresFailure;
use crate::postgres_health::PostgresHealth;

/// In Postgres's notation. Less than a request or a health check waits for an answer.
const LOCK_TIMEOUT: &str = "500ms";
/// How soon Postgres ends the statement of an api that has ended, in its notation.
const CONNECTION_CHECK_INTERVAL: &str = "1s";
/// How soon Postgres ends the session, and with it the locks, of an api that has vanished without
/// closing the connection.
const SESSION_IDLE_TIMEOUT: &str = "10s";
/// A Postgres that is unavailable for so long has vanished without closing the connection.
const UNAVAILABLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between the discovery that tables are missing and their migration.
const REMIGRATION_DELAY: Duration = Duration::from_secs(1);

/// The migrations in `server/migrations`.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    // Those of newer versions only expand the schema.
    migrations.set_ignore_missing(true);
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
    let options = migration_options(options);
    let attempt = || attempt_until_vanished(&options, health, UNAVAILABLE_TIMEOUT);
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
    health: &PostgresHealth,
    timeout: Duration,
) -> Result<(), MigrateError> {
    tokio::select! {
        outcome = attempt(options) => outcome,
        () = health.until_unavailable_for(timeout) => {
            Err(sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)).into())
        }
    }
}

/// Runs the migrations that are missing, on a connection of its own.
pub(crate) async fn attempt(options: &PgConnectOptions) -> Result<(), MigrateError> {
    let mut connection = PgConnection::connect_with(options).await?;
    // `run` cannot be called from a task: "implementation of `Acquire` is not general enough".
    let outcome = MIGRATIONS.run_direct(None, &mut connection, false).await;
    // After an error, the connection may be broken.
    let _ = connection.close().await;
    outcome
}

fn migration_options(options: &PgConnectOptions) -> PgConnectOptions {
    let settings = [
        ("statement_timeout", "0"),
        ("lock_timeout", LOCK_TIMEOUT),
        ("idle_in_transaction_session_timeout", SESSION_IDLE_TIMEOUT),
        ("idle_session_timeout", SESSION_IDLE_TIMEOUT),
        ("client_connection_check_interval", CONNECTION_CHECK_INTERVAL),
        // Five million rows are grouped by sorting, and so fill the indexes in order: 35 s on a busy
        // machine, not 305.
        ("enable_hashagg", "off"),
    ];
    options.clone().options(settings).disable_statement_logging()
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
