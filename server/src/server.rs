//! Wires the api together: checks the configuration, binds the ports, and starts all tasks.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Producer, QueueMonitor, RedisClient, Repair, ValueCache};
use service::config::OperatorConfig;
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{http, memory, operator};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Broadcaster;
use crate::config::ServerConfig;
use crate::lists::Lists;
use crate::memory_budget::MemoryBudget;
use crate::postgres_health::PostgresHealth;
use crate::pruner::Pruner;
use crate::reconciler::Reconciler;
use crate::state::AppState;
use crate::submissions::Submissions;
use crate::{database, metrics, migrations, queue_poller, routes};

/// Time at shutdown for requests in progress, once idle connections are closed.
const CONNECTION_GRACE: Duration = Duration::from_millis(2_500);

/// Memory to serve all digits of F(n), in bytes per unit of n. F(n) has about 0.209·n digits, and
/// each takes half a byte as packed in Redis, a byte as text and a byte in the JSON body.
const RESPONSE_BYTES_PER_INDEX: f64 = 0.21 * 2.5;

/// The running api.
pub struct Server {
    pub address: SocketAddr,
    /// Address of `/metrics`.
    pub operator_address: SocketAddr,
    pub lifecycle: Lifecycle,
}

impl Server {
    /// Starts the api. Port 0 in `config` means any free port. Postgres and Redis may start later.
    pub async fn start(
        config: ServerConfig,
        prometheus: PrometheusHandle,
    ) -> Result<Self, StartError> {
        metrics::describe();
        let misconfigured = StartError::Configuration;
        memory::check_max_index(config.max_index, memory::limit(), RESPONSE_BYTES_PER_INDEX)
            .map_err(misconfigured)?;
        let redis = RedisClient::open(&config.redis.url())
            .map_err(|error| misconfigured(format!("REDIS_URL: {error}")))?;
        let postgres = config.postgres.options().map_err(misconfigured)?;
        let pool = database::lazy_pool(postgres.clone(), config.pg_connections);
        let OperatorConfig { listen_addr, metrics_port, .. } = config.operator;
        let (listener, address) = http::bind(listen_addr, config.port)?;
        let (operator_listener, operator_address) = http::bind(listen_addr, metrics_port)?;
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
        let (submissions, committer) = Submissions::new(pool.clone(), producer.clone());
        let repair = Repair::new(redis.clone());
        let reconciler =
            Reconciler { pool: pool.clone(), repair, producer: producer.clone(), max_index };
        let pruner =
            Pruner { pool: pool.clone(), max_submissions: NonZeroU64::new(config.max_submissions) };
        let postgres_health = PostgresHealth::new(postgres.clone());
        let state = Arc::new(AppState {
            max_index,
            lists: Lists::new(pool.clone(), cache.clone()),
            events: Broadcaster::new(),
            streams: Arc::new(Semaphore::new(config.max_streams.min(Semaphore::MAX_PERMITS))),
            memory_budget: MemoryBudget::new(),
            postgres_health: Arc::clone(&postgres_health),
            shutdown: token.clone(),
            pool,
            cache,
            monitor: QueueMonitor::new(redis.clone()),
            producer,
            submissions,
        });
        let queue_poller =
            queue_poller::poll(state.monitor.clone(), state.producer.clone(), token.clone());
        let redis_health = token.clone().run_until_cancelled_owned(redis.clone().poll_health());
        lifecycle.spawn("redis", async {
            redis_health.await;
        });
        lifecycle.check(redis.clone().check_supported(max_index));
        let operator = operator::serve(operator_listener, prometheus, Router::new(), token.clone());
        lifecycle.spawn("operator", operator);
        lifecycle.spawn("postgres health", Arc::clone(&postgres_health).poll(token.clone()));
        lifecycle.try_spawn("migrate", migrations::run(postgres, postgres_health, token.clone()));
        lifecycle.spawn("broadcast", state.events.clone().run(redis, token.clone()));
        lifecycle.spawn("reconcile", reconciler.run(token.clone()));
        lifecycle.spawn("queue poller", queue_poller);
        lifecycle.spawn("prune", pruner.run(token.clone()));
        lifecycle.spawn("memory", memory::trim_when_idle(token.clone()));
        // The committer stops only after all connections are closed: they may still submit.
        let connections_closed = CancellationToken::new();
        lifecycle.spawn("commit", committer.run(connections_closed.clone()));
        lifecycle.spawn("api", async move {
            let _guard = connections_closed.drop_guard();
            let routes = routes::router(state, &config.cors_allowed_origins);
            http::serve(listener, routes, token, CONNECTION_GRACE).await;
        });
        Ok(Self { address, operator_address, lifecycle })
    }
}
