//! Putting the api together: binds first, so that a caller learns the ports, then runs everything as tasks of one
//! life cycle.
//!
//! It decides nothing about requests or data: those are `routes`, `submissions` and the modules beside them.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Cache, Producer, Redis};
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{Backoff, http, memory, operator, process};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::reconcile::Reconciler;
use crate::relay::Relay;
use crate::room::Room;
use crate::state::{AppState, Vitals};
use crate::submissions::{Committer, Submissions};
use crate::{database, gauges, routes};

/// How long connections that are still busy may hold up the end.
const LINGER: Duration = Duration::from_millis(2_500);
/// Waits between attempts to migrate: the first, and the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// The api, bound to its ports and not yet running.
pub struct Application {
    listener: TcpListener,
    operator: TcpListener,
    metrics: PrometheusHandle,
    redis: Redis,
    state: Arc<AppState>,
    committer: Committer,
    reconciler: Reconciler,
    lifecycle: Lifecycle,
}

/// Runs the api as a process: logs, metrics, signals, exit code.
pub async fn run(config: Config) -> ExitCode {
    let operator = config.operator.clone();
    process::run(&operator, async |metrics| {
        gauges::describe();
        Ok(Application::build(config, metrics).await?.run())
    })
    .await
}

impl Application {
    /// Binds the ports of `config` (0 takes a free one). Neither Postgres nor Redis need be up.
    ///
    /// # Errors
    /// [`StartError`] when an address is not one or a port cannot be had.
    pub async fn build(config: Config, metrics: PrometheusHandle) -> Result<Self, StartError> {
        let wrong = |what: String| StartError::Configuration(what);
        let redis = Redis::open(&config.redis.url()).map_err(|error| wrong(format!("REDIS_URL: {error}")))?;
        let pool = database::connect(config.postgres.options().map_err(wrong)?, config.pg_connections);
        let at = |port| SocketAddr::new(config.operator.listen_addr, port);
        let listener = http::bind(at(config.port)).await?;
        let operator = http::bind(at(config.operator.metrics_port)).await?;

        let lifecycle = Lifecycle::new();
        let producer = Producer::new(redis.clone(), config.max_queue);
        let (submissions, committer) = Submissions::new(pool.clone(), producer.clone(), config.max_queue);
        let max_index = config.max_index;
        let cache = Cache::new(redis.clone());
        let reconciler =
            Reconciler { pool: pool.clone(), cache: cache.clone(), producer: producer.clone(), max_index };
        let state = Arc::new(AppState {
            max_index,
            cache,
            relay: Relay::new(),
            lists: routes::Lists::default(),
            streams: Arc::new(Semaphore::new(config.max_streams.min(Semaphore::MAX_PERMITS))),
            room: Room::new(),
            vitals: Arc::new(Vitals::default()),
            token: lifecycle.token(),
            docs: Arc::new(routes::Docs::new(max_index)),
            pool,
            producer,
            submissions,
        });
        Ok(Self { listener, operator, metrics, redis, state, committer, reconciler, lifecycle })
    }

    /// Where the api listens.
    ///
    /// # Errors
    /// The I/O error of asking the socket.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where the operator's port listens.
    ///
    /// # Errors
    /// The I/O error of asking the socket.
    pub fn operator_address(&self) -> std::io::Result<SocketAddr> {
        self.operator.local_addr()
    }

    /// Cancelling it stops the api as a signal does.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.lifecycle.token()
    }

    /// Runs until a signal arrives, the token is cancelled or a task dies.
    pub async fn run(self) -> ExitCode {
        let Self { listener, operator, metrics, redis, state, committer, reconciler, mut lifecycle } = self;
        if let (Ok(api), Ok(operator)) = (listener.local_addr(), operator.local_addr()) {
            let (postgres, redis) = (database::address(&state.pool), redis.address());
            tracing::info!(%api, %operator, postgres, redis, "listening");
        }
        let token = lifecycle.token();
        lifecycle.spawn("operator", operator::serve(operator, metrics, Router::new(), token.clone()));
        lifecycle.spawn("migrate", migrate(state.pool.clone(), Arc::clone(&state.vitals), token.clone()));
        lifecycle.spawn("relay", state.relay.clone().run(redis, token.clone()));
        lifecycle.spawn("reconcile", reconciler.run(token.clone()));
        lifecycle.spawn("gauges", gauges::run(state.cache.clone(), state.producer.clone(), token.clone()));
        lifecycle.spawn("memory", memory::give_back_when_idle(token.clone()));
        // When nothing is served any more, the last group is committed.
        let cut_off = CancellationToken::new();
        lifecycle.spawn("commit", committer.run(cut_off.clone()));
        lifecycle.spawn("api", async move {
            let _cut_off = cut_off.drop_guard();
            http::serve(listener, routes::router(state), token, LINGER).await;
        });
        lifecycle.run().await
    }
}

/// Brings the schema up to date as soon as Postgres answers, then waits for the end.
async fn migrate(
    pool: PgPool,
    vitals: Arc<Vitals>,
    token: CancellationToken,
) -> Result<(), sqlx::migrate::MigrateError> {
    let mut backoff = BACKOFF;
    while !token.is_cancelled() {
        match token.run_until_cancelled(database::MIGRATIONS.run(&pool)).await {
            Some(Ok(())) => {
                tracing::info!("the schema is up to date");
                vitals.set_migrated();
                token.cancelled().await;
            }
            // Postgres may be starting, stopping, or without its database yet: all of it can be mended while we wait.
            Some(Err(sqlx::migrate::MigrateError::Execute(error))) => {
                tracing::warn!(postgres = database::address(&pool), %error, "Postgres is not ready");
                token.run_until_cancelled(backoff.pause()).await;
            }
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    Ok(())
}
