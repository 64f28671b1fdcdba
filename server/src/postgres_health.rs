//! Checks by a write that Postgres accepts writes: for readiness, and once a second for the gauge
//! `postgres_up` and the log, which has a line for each change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::database::{self, PostgresFailure};
use crate::shared_read::SharedRead;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct PostgresHealth {
    options: PgConnectOptions,
    /// Separate from the pool: a pool whose connections are all busy is not an outage, and its
    /// timeout would hide the error of Postgres.
    connection: Mutex<Option<PgConnection>>,
    /// Concurrent checks share a write, because they all update the same row.
    writes: SharedRead<bool>,
    observed: watch::Sender<Observed>,
    migrated: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PostgresState {
    Unknown,
    AcceptsWrites,
    RefusesWrites,
    Unavailable,
    SchemaMissing,
}

struct Observed {
    state: PostgresState,
    /// Whether an outage was logged and its end was not.
    is_outage_logged: bool,
}

impl PostgresHealth {
    pub(crate) fn new(options: PgConnectOptions) -> Arc<Self> {
        let observed = Observed { state: PostgresState::Unknown, is_outage_logged: false };
        Arc::new(Self {
            options,
            connection: Mutex::default(),
            writes: SharedRead::default(),
            observed: watch::Sender::new(observed),
            migrated: AtomicBool::new(false),
        })
    }

    /// Checks once a second until `token` is cancelled.
    pub(crate) async fn poll(self: Arc<Self>, token: CancellationToken) {
        let polling = async {
            loop {
                self.accepts_writes().await;
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        token.run_until_cancelled(polling).await;
    }

    /// Whether submissions can be stored: a write that began after this call has succeeded, and the
    /// schema is up to date.
    pub(crate) async fn is_ready(self: &Arc<Self>) -> bool {
        self.accepts_writes().await && self.migrated.load(Ordering::Relaxed)
    }

    pub(crate) async fn accepts_writes(self: &Arc<Self>) -> bool {
        let health = Arc::clone(self);
        let write = async move {
            let written = tokio::time::timeout(WRITE_TIMEOUT, health.write()).await;
            let (state, reason) = match written {
                Ok(Ok(())) => (PostgresState::AcceptsWrites, String::new()),
                Ok(Err(error)) => (PostgresState::of(&error), error.to_string()),
                Err(_) => {
                    (PostgresState::Unavailable, format!("no response within {WRITE_TIMEOUT:?}"))
                }
            };
            health.record(state, &reason);
            state == PostgresState::AcceptsWrites
        };
        self.writes.get(write).await
    }

    async fn write(&self) -> sqlx::Result<()> {
        let last = self.connection().take();
        if let Some(mut connection) = last
            && database::write_health(&mut connection).await.is_ok()
        {
            *self.connection() = Some(connection);
            return Ok(());
        }
        // A new connection may reach a new primary or a restarted server.
        let mut connection = PgConnection::connect_with(&self.options).await?;
        database::write_health(&mut connection).await?;
        *self.connection() = Some(connection);
        Ok(())
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Option<PgConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether the migrations of this binary are applied.
    pub(crate) fn set_migrated(&self, migrated: bool) {
        self.migrated.store(migrated, Ordering::Relaxed);
    }

    /// Waits until a check finds that the database or a table is missing.
    pub(crate) async fn until_schema_missing(&self) {
        self.wait_for(|state| state == PostgresState::SchemaMissing).await;
    }

    /// Waits until Postgres has been unavailable for all of `duration`.
    pub(crate) async fn until_unavailable_for(&self, duration: Duration) {
        loop {
            self.wait_for(|state| state == PostgresState::Unavailable).await;
            let recovery = self.wait_for(|state| state != PostgresState::Unavailable);
            if tokio::time::timeout(duration, recovery).await.is_err() {
                return;
            }
        }
    }

    async fn wait_for(&self, condition: impl Fn(PostgresState) -> bool) {
        // Cannot fail: `self` has the sender.
        let _ = self.observed.subscribe().wait_for(|observed| condition(observed.state)).await;
    }

    fn record(&self, state: PostgresState, reason: &str) {
        let is_up = state == PostgresState::AcceptsWrites;
        metrics::gauge!("postgres_up").set(if is_up { 1.0 } else { 0.0 });
        self.observed.send_if_modified(|observed| {
            if observed.state == state {
                if !is_up {
                    tracing::debug!(reason, "postgres still fails");
                }
                return false;
            }
            observed.state = state;
            let had_outage = std::mem::replace(&mut observed.is_outage_logged, !is_up);
            match state {
                PostgresState::AcceptsWrites if had_outage => {
                    tracing::warn!("postgres accepts writes again");
                }
                PostgresState::AcceptsWrites => tracing::info!("postgres accepts writes"),
                PostgresState::RefusesWrites => tracing::warn!(reason, "postgres refuses writes"),
                PostgresState::SchemaMissing if self.migrated.load(Ordering::Relaxed) => {
                    tracing::warn!(reason, "postgres lacks tables; running the migrations again");
                }
                // Not an outage: the migrations are about to create the tables.
                PostgresState::SchemaMissing => observed.is_outage_logged = had_outage,
                PostgresState::Unavailable | PostgresState::Unknown => {
                    tracing::warn!(reason, "postgres unavailable");
                }
            }
            true
        });
    }
}

impl PostgresState {
    fn of(error: &sqlx::Error) -> Self {
        match PostgresFailure::from(error) {
            PostgresFailure::Unavailable => Self::Unavailable,
            PostgresFailure::SchemaMissing => Self::SchemaMissing,
            PostgresFailure::RefusesWrites
            | PostgresFailure::DiskFull
            | PostgresFailure::Conflict
            | PostgresFailure::Permanent => Self::RefusesWrites,
        }
    }
}
