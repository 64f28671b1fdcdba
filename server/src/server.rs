//! Puts the api together: binds the ports first, so that a caller learns them, then runs everything
//! as tasks of one life cycle.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use backon::Retryable;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Producer, QueueMonitor, RedisClient, Repair, ValueCache};
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{RECONNECT, http, memory, operator, process};
use sqlx::PgPool;
use sqlx::migrate::MigrateError;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Broadcaster;
use crate::config::{AllowedOrigins, ServerConfig};
use crate::lists::Lists;
use crate::memory_budget::MemoryBudget;
use crate::reconciler::Reconciler;
use crate::state::AppState;
use crate::submissions::{Committer, Submissions};
use crate::{database, metrics, routes};

/// How long busy connections may delay the end of the process.
const CONNECTION_GRACE: Duration = Duration::from_millis(2_500);

/// The api, bound to its ports and not yet running.
pub struct Server {
    listener: TcpListener,
    operator: TcpListener,
    metrics: PrometheusHandle,
    redis: RedisClient,
    state: Arc<AppState>,
    allowed_origins: AllowedOrigins,
    committer: Committer,
    reconciler: Reconciler,
    lifecycle: Lifecycle,
}

/// Runs the api as a process: logs, metrics, signals, exit code.
pub async fn run(config: ServerConfig) -> ExitCode {
    let operator = config.operator.clone();
    process::run(&operator, async |metrics| {
        metrics::describe();
        Ok(Server::build(config, metrics).await?.run())
    })
    .await
}

impl Server {
    /// Binds the ports of `config`; port 0 is a free one. Postgres and Redis may start later.
    ///
    /// # Errors
    /// [`StartError`] when an address is malformed or a port cannot be bound.
    pub async fn build(config: ServerConfig, metrics: PrometheusHandle) -> Result<Self, StartError> {
        let wrong = StartError::Configuration;
        let redis =
            RedisClient::open(&config.redis.url()).map_err(|error| wrong(format!("REDIS_URL: {error}")))?;
        let pool = database::connect(config.postgres.options().map_err(wrong)?, config.pg_connections);
        let address = |port| SocketAddr::new(config.operator.listen_addr, port);
        let listener = http::bind(address(config.port)).await?;
        let operator = http::bind(address(config.operator.metrics_port)).await?;

        let lifecycle = Lifecycle::new();
        let producer = Producer::new(redis.clone(), config.max_queue);
        let cache = ValueCache::new(redis.clone());
        let max_index = config.max_index;
        let (submissions, committer) =
            Submissions::new(pool.clone(), cache.clone(), producer.clone(), config.max_queue);
        let repair = Repair::new(redis.clone());
        let reconciler = Reconciler { pool: pool.clone(), repair, producer: producer.clone(), max_index };
        let state = Arc::new(AppState {
            max_index,
            lists: Lists::new(pool.clone(), cache.clone()),
            events: Broadcaster::new(),
            streams: Arc::new(Semaphore::new(config.max_streams.min(Semaphore::MAX_PERMITS))),
            memory_budget: MemoryBudget::new(),
            migrated: Arc::new(AtomicBool::new(false)),
            shutdown: lifecycle.token(),
            pool,
            cache,
            monitor: QueueMonitor::new(redis.clone()),
            producer,
            submissions,
        });
        let allowed_origins = config.cors_allowed_origins;
        Ok(Self {
            listener,
            operator,
            metrics,
            redis,
            state,
            allowed_origins,
            committer,
            reconciler,
            lifecycle,
        })
    }

    /// Address of the api.
    ///
    /// # Errors
    /// The error of `getsockname`.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Address of the operator's port, with `/metrics`.
    ///
    /// # Errors
    /// The error of `getsockname`.
    pub fn operator_address(&self) -> std::io::Result<SocketAddr> {
        self.operator.local_addr()
    }

    /// Cancelling it shuts the api down, like a signal.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.lifecycle.token()
    }

    /// Runs until a signal arrives, the token is cancelled or a task dies.
    pub async fn run(self) -> ExitCode {
        let Self {
            listener,
            operator,
            metrics: prometheus,
            redis,
            state,
            allowed_origins,
            committer,
            reconciler,
            mut lifecycle,
        } = self;
        if let (Ok(api), Ok(operator)) = (listener.local_addr(), operator.local_addr()) {
            let (postgres, redis) = (database::address(&state.pool), redis.address());
            tracing::info!(%api, %operator, postgres, redis, "listening");
        }
        let token = lifecycle.token();
        let queue_metrics =
            metrics::queue::poll(state.monitor.clone(), state.producer.clone(), token.clone());
        lifecycle.spawn("operator", operator::serve(operator, prometheus, Router::new(), token.clone()));
        lifecycle.spawn("migrate", migrate(state.pool.clone(), Arc::clone(&state.migrated), token.clone()));
        lifecycle.spawn("broadcast", state.events.clone().run(redis, token.clone()));
        lifecycle.spawn("reconcile", reconciler.run(token.clone()));
        lifecycle.spawn("queue metrics", queue_metrics);
        lifecycle.spawn("memory", memory::trim_when_idle(token.clone()));
        // The last submissions are committed after the last connection is closed.
        let api_closed = CancellationToken::new();
        lifecycle.spawn("commit", committer.run(api_closed.clone()));
        lifecycle.spawn("api", async move {
            let _guard = api_closed.drop_guard();
            http::serve(listener, routes::router(state, &allowed_origins), token, CONNECTION_GRACE).await;
        });
        lifecycle.run().await
    }
}

/// Runs the migrations as soon as Postgres answers, then waits for `token`.
async fn migrate(
    pool: PgPool,
    migrated: Arc<AtomicBool>,
    token: CancellationToken,
) -> Result<(), MigrateError> {
    let run = || {
        let pool = pool.clone();
        async move { database::MIGRATIONS.run(&pool).await }
    };
    let attempts = run
        .retry(RECONNECT)
        // Postgres starts, stops or has no database yet. Any other error needs an operator.
        .when(|error| matches!(error, MigrateError::Execute(_)))
        .notify(|error, _| {
            tracing::warn!(postgres = database::address(&pool), %error, "cannot migrate the schema yet");
        });
    if let Some(outcome) = token.run_until_cancelled(attempts.into_future()).await {
        outcome?;
        tracing::info!("schema is up to date");
        migrated.store(true, Ordering::Relaxed);
        token.cancelled().await;
    }
    Ok(())
}
