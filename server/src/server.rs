//! Puts the api together: binds the ports, then starts everything as tasks of one life cycle.

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

/// How long busy connections may delay the end of the process.
const CONNECTION_GRACE: Duration = Duration::from_millis(2_500);

/// Memory for a request of all digits of F(n), in bytes per unit of n: a little more than n/5
/// digits, which exist as they come from Redis, as text, and as JSON.
const RESPONSE_BYTES_PER_INDEX: f64 = 0.21 * 2.5;

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
    pub async fn start(
        config: ServerConfig,
        prometheus: PrometheusHandle,
    ) -> Result<Self, StartError> {
        metrics::describe();
        let wrong = StartError::Configuration;
        memory::check_max_index(config.max_index, memory::limit(), RESPONSE_BYTES_PER_INDEX)
            .map_err(wrong)?;
        let redis = RedisClient::open(&config.redis.url())
            .map_err(|error| wrong(format!("REDIS_URL: {error}")))?;
        let postgres = config.postgres.options().map_err(wrong)?;
        let pool = database::connect(postgres.clone(), config.pg_connections);
        let OperatorConfig { listen_addr, metrics_port, .. } = config.operator;
        let (listener, address) = http::bind(listen_addr, config.port)?;
        let (operator, operator_address) = http::bind(listen_addr, metrics_port)?;
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
        lifecycle
            .spawn("operator", operator::serve(operator, prometheus, Router::new(), token.clone()));
        lifecycle.spawn("postgres health", Arc::clone(&postgres_health).poll(token.clone()));
        lifecycle.try_spawn("migrate", migrations::run(postgres, postgres_health, token.clone()));
        lifecycle.spawn("broadcast", state.events.clone().run(redis, token.clone()));
        lifecycle.spawn("reconcile", reconciler.run(token.clone()));
        lifecycle.spawn("queue poller", queue_poller);
        lifecycle.spawn("prune", pruner.run(token.clone()));
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
