//! Puts the worker together: binds the operator's port first, then runs everything in one life
//! cycle: executors on threads, all else as tasks.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Consumer, Producer, RedisClient};
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{http, memory, operator, process};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announcements::AnnouncementListener;
use crate::config::WorkerConfig;
use crate::executor::Executor;
use crate::jobs::Jobs;
use crate::{maintenance, metrics, thread};

/// How long a calculation may go on after the shutdown signal. Jobs that are not finished then are
/// released, and another worker takes them at once.
const CALCULATION_GRACE: Duration = Duration::from_secs(3);
const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(1);

/// The worker, bound to its port and not yet running.
pub struct Worker {
    operator: TcpListener,
    metrics: PrometheusHandle,
    redis: RedisClient,
    config: WorkerConfig,
    consumer: Consumer,
    lifecycle: Lifecycle,
}

/// Runs the worker as a process: logs, metrics, signals, exit code.
pub async fn run(config: WorkerConfig) -> ExitCode {
    let operator = config.operator.clone();
    process::run(&operator, async |metrics| {
        metrics::describe();
        Ok(Worker::build(config, metrics).await?.run())
    })
    .await
}

impl Worker {
    /// Binds the port of `config`; port 0 is a free one. Redis may start later.
    ///
    /// # Errors
    /// [`StartError`] when an address is malformed or the port cannot be bound.
    pub async fn build(config: WorkerConfig, metrics: PrometheusHandle) -> Result<Self, StartError> {
        let redis = RedisClient::open(&config.redis.url())
            .map_err(|error| StartError::Configuration(format!("REDIS_URL: {error}")))?;
        let address = SocketAddr::new(config.operator.listen_addr, config.operator.metrics_port);
        let operator = http::bind(address).await?;
        let consumer = Consumer::new(redis.clone(), worker_name());
        Ok(Self { operator, metrics, redis, config, consumer, lifecycle: Lifecycle::new() })
    }

    /// This worker's name, as in events and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        self.consumer.name()
    }

    /// Cancelling it shuts the worker down, like a signal.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.lifecycle.token()
    }

    /// Runs until a signal arrives, the token is cancelled or a task dies.
    pub async fn run(self) -> ExitCode {
        let Self { operator, metrics, redis, config, consumer, mut lifecycle } = self;
        if let Ok(operator) = operator.local_addr() {
            tracing::info!(worker = consumer.name(), %operator, redis = redis.address(), "listening");
        }
        let token = lifecycle.token();
        let threads = config.threads();
        let jobs = Arc::new(Jobs::new(threads));
        let executor = || Executor::new(consumer.clone(), Arc::clone(&jobs), token.clone());

        // Cancelled when the executors are finished, or are abandoned in a calculation that takes
        // too long. Until then, heartbeats continue.
        let abandoned = CancellationToken::new();
        let executors = TaskTracker::new();
        for executor in std::iter::repeat_with(executor).take(threads) {
            let running = thread::run("executor", abandoned.clone(), || executor.run());
            lifecycle.spawn("executor", executors.track_future(running));
        }
        let reclaimer = executor();
        let running = thread::run("reclaim", abandoned.clone(), || maintenance::reclaim_jobs(reclaimer));
        lifecycle.spawn("reclaim", executors.track_future(running));
        executors.close();

        let heartbeats = maintenance::send_heartbeats(consumer.clone(), Arc::clone(&jobs), abandoned.clone());
        lifecycle.spawn("heartbeat", heartbeats);
        let shutdown = shut_down(consumer, Arc::clone(&jobs), executors, token.clone(), abandoned);
        lifecycle.spawn("shutdown", shutdown);

        let producer = Producer::new(redis.clone(), config.max_queue);
        let announcements = AnnouncementListener { redis, producer, max_index: config.max_index };
        lifecycle.spawn("announcements", announcements.run(token.clone()));
        lifecycle.spawn("memory", memory::trim_when_idle(token.clone()));
        lifecycle.spawn("operator", operator::serve(operator, metrics, health(jobs), token));
        lifecycle.run().await
    }
}

/// Waits for the shutdown signal and for the executors, then deregisters and releases unfinished
/// jobs.
async fn shut_down(
    consumer: Consumer,
    jobs: Arc<Jobs>,
    executors: TaskTracker,
    token: CancellationToken,
    abandoned: CancellationToken,
) {
    token.cancelled().await;
    let finished = tokio::time::timeout(CALCULATION_GRACE, executors.wait()).await;
    abandoned.cancel();
    let entries = jobs.entries();
    if finished.is_err() {
        tracing::warn!(jobs = entries.len(), "releasing unfinished jobs");
    }
    let deregistered = tokio::time::timeout(DEREGISTER_TIMEOUT, consumer.deregister(&entries)).await;
    let consequence =
        "could not deregister; this worker's jobs will be reclaimed after the heartbeat timeout";
    match deregistered {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "{consequence}"),
        Err(error) => tracing::warn!(%error, "{consequence}"),
    }
}

fn health(jobs: Arc<Jobs>) -> Router {
    let ready = async move || {
        if jobs.is_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "Redis does not answer")
        }
    };
    Router::new().route("/health/live", get(async || "alive")).route("/health/ready", get(ready))
}

/// Unique worker name: host name plus a random suffix.
fn worker_name() -> String {
    let uname = rustix::system::uname();
    let node_name = uname.nodename().to_string_lossy();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let host: String = node_name.chars().filter(is_plain).take(32).collect();
    format!("{}-{:08x}", if host.is_empty() { "worker" } else { &host }, fastrand::u32(..))
}
