//! Puts the api together: binds the ports, then starts everything as tasks of one life cycle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use backon::Retryable;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Producer, QueueMonitor, RedisClient, Repair, ValueCache};
use service::config::OperatorConfig;
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{RECONNECT, http, memory, operator};
use sqlx::migrate::MigrateError;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Broadcaster;
use crate::config::ServerConfig;
use crate::lists::Lists;
use crate::memory_budget::MemoryBudget;
use crate::reconciler::Reconciler;
use crate::state::AppState;
use crate::submissions::Submissions;
use crate::{database, metrics, queue_poller, routes};

/// How long busy connections may delay the end of the process.
const CONNECTION_GRACE: Duration = Duration::from_millis(2_500);

/// The running api.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's port, with `/metrics`.
    pub operator_address: SocketAddr,
    /// Its tasks.
    pub lifecycle: Lifecycle,
}

impl Server {
    /// Starts the api on the ports of `config`, where 0 is any free one. Postgres and Redis may
    /// start later.
    pub async fn start(config: ServerConfig, prometheus: PrometheusHandle) -> Result<Self, StartError> {
        metrics::describe();
        let wrong = StartError::Configuration;
        let redis =
            RedisClient::open(&config.redis.url()).map_err(|error| wrong(format!("REDIS_URL: {error}")))?;
        let pool = database::connect(config.postgres.options().map_err(wrong)?, config.pg_connections);
        let OperatorConfig { listen_addr, metrics_port, .. } = config.operator;
        let (listener, address) = http::bind(listen_addr, config.port).await?;
        let (operator, operator_address) = http::bind(listen_addr, metrics_port).await?;
        tracing::info!(
            api = %address,
            operator = %operator_address,
            postgres = database::address(&pool),
            redis = redis.address(),
            "listening"
        );

        let mut lifecycle = Lifecycle::default();
        let token = lifecycle.token();
        let max_index = config.max_index;
        let producer = Producer::new(redis.clone(), config.max_queue);
        let cache = ValueCache::new(redis.clone());
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
            migrated: AtomicBool::new(false),
            shutdown: token.clone(),
            pool,
            cache,
            monitor: QueueMonitor::new(redis.clone()),
            producer,
            submissions,
        });
        let queue_poller = queue_poller::poll(state.monitor.clone(), state.producer.clone(), token.clone());
        lifecycle.spawn("operator", operator::serve(operator, prometheus, Router::new(), token.clone()));
        lifecycle.try_spawn("migrate", migrate(Arc::clone(&state), token.clone()));
        lifecycle.spawn("broadcast", state.events.clone().run(redis, token.clone()));
        lifecycle.spawn("reconcile", reconciler.run(token.clone()));
        lifecycle.spawn("queue poller", queue_poller);
        lifecycle.spawn("memory", memory::trim_when_idle(token.clone()));
        // The last submissions are committed after the last connection is closed.
        let api_closed = CancellationToken::new();
        lifecycle.spawn("commit", committer.run(api_closed.clone()));
        lifecycle.spawn("api", async move {
            let _guard = api_closed.drop_guard();
            let routes = routes::router(state, &config.cors_allowed_origins);
            http::serve(listener, routes, token, CONNECTION_GRACE).await;
        });
        Ok(Self { address, operator_address, lifecycle })
    }
}

/// Runs the migrations as soon as Postgres answers, then waits for `token`.
async fn migrate(state: Arc<AppState>, token: CancellationToken) -> Result<(), MigrateError> {
    let run = || {
        let pool = state.pool.clone();
        async move { database::MIGRATIONS.run(&pool).await }
    };
    let attempts = run
        .retry(RECONNECT)
        // Postgres starts, stops or has no database yet. Any other error needs an operator.
        .when(|error| matches!(error, MigrateError::Execute(_)))
        .notify(|error, _| {
            tracing::warn!(postgres = database::address(&state.pool), %error, "cannot migrate the schema yet");
        });
    if let Some(outcome) = token.run_until_cancelled(attempts.into_future()).await {
        outcome?;
        tracing::info!("schema is up to date");
        state.migrated.store(true, Ordering::Relaxed);
        token.cancelled().await;
    }
    Ok(())
}
