//! Starts the worker: binds the operator's port, then adds everything to one life cycle. Executors
//! run on threads of their own, everything else as tasks of the shared runtime.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Consumer, Producer, QueueError, RedisClient};
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{http, memory, operator};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announcements::AnnouncementListener;
use crate::config::WorkerConfig;
use crate::executor::Executor;
use crate::jobs::Jobs;
use crate::{maintenance, metrics, thread};

/// Time for calculations to end after the shutdown signal. Jobs that are not completed by then are
/// released, and another worker takes them at once.
const CALCULATION_GRACE: Duration = Duration::from_secs(3);
/// Memory that a calculation of F(n) needs, in bytes per unit of n. F(n) has 0.209 n digits. The
/// calculation takes 4.7 bytes for each digit (BENCHMARKS.md), and sending them to Redis takes 1.
const CALCULATION_BYTES_PER_INDEX: f64 = 0.21 * 5.7;
const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the worker. The operator's port in `config` may be 0 for any free one. Redis may start
/// later.
pub async fn start(
    config: WorkerConfig,
    prometheus: PrometheusHandle,
) -> Result<Lifecycle, StartError> {
    metrics::describe();
    let redis = RedisClient::open(&config.redis.url())
        .map_err(|error| StartError::Configuration(format!("REDIS_URL: {error}")))?;
    let threads = config.threads();
    let bytes_per_index = CALCULATION_BYTES_PER_INDEX * threads as f64;
    memory::check_max_index(config.max_index, memory::limit(), bytes_per_index).map_err(
        |error| StartError::Configuration(format!("{error} with WORKER_THREADS={threads}")),
    )?;
    let (operator, address) =
        http::bind(config.operator.listen_addr, config.operator.metrics_port)?;
    let consumer = Consumer::new(redis.clone(), worker_name());
    tracing::info!(
        worker = consumer.name(),
        operator = %address,
        redis = redis.address(),
        "listening"
    );

    let mut lifecycle = Lifecycle::default();
    let token = lifecycle.token();
    let jobs = Arc::new(Jobs::new(threads));
    let executor = || Executor::new(consumer.clone(), Arc::clone(&jobs), token.clone());

    // The second step of the shutdown: cancelled when the executors have ended, or after
    // `CALCULATION_GRACE`. Until then heartbeats must continue.
    let abort = CancellationToken::new();
    let executors = TaskTracker::new();
    for executor in std::iter::repeat_with(executor).take(threads) {
        let running = thread::run("executor", abort.clone(), || executor.run());
        lifecycle.try_spawn("executor", executors.track_future(running));
    }
    let reclaimer = executor();
    let running = thread::run("reclaim", abort.clone(), || maintenance::reclaim_jobs(reclaimer));
    lifecycle.try_spawn("reclaim", executors.track_future(running));
    executors.close();

    let heartbeats =
        maintenance::send_heartbeats(consumer.clone(), Arc::clone(&jobs), abort.clone());
    lifecycle.spawn("heartbeat", heartbeats);
    let redis_health = token.clone().run_until_cancelled_owned(redis.clone().poll_health());
    lifecycle.spawn("redis", async {
        redis_health.await;
    });
    lifecycle.check(redis.clone().check_supported(config.max_index));
    let shutdown = shut_down(consumer, Arc::clone(&jobs), executors, token.clone(), abort.clone());
    lifecycle.spawn("shutdown", shutdown);

    let producer = Producer::new(redis.clone(), config.max_queue);
    let max_index = config.max_index;
    let announcements =
        AnnouncementListener { redis, producer, max_index, jobs: Arc::clone(&jobs) };
    lifecycle.spawn("announcements", announcements.run(abort.clone()));
    lifecycle.spawn("memory", memory::trim_when_idle(token.clone()));
    lifecycle.spawn("operator", operator::serve(operator, prometheus, health(jobs), token));
    Ok(lifecycle)
}

/// Waits for the shutdown signal and then for the executors. Deregisters the worker and releases
/// its unfinished jobs.
async fn shut_down(
    consumer: Consumer,
    jobs: Arc<Jobs>,
    executors: TaskTracker,
    token: CancellationToken,
    abort: CancellationToken,
) {
    token.cancelled().await;
    let finished = tokio::time::timeout(CALCULATION_GRACE, executors.wait()).await;
    abort.cancel();
    let unfinished = [jobs.held(), jobs.take_pending_releases()].concat();
    if finished.is_err() {
        tracing::warn!(jobs = unfinished.len(), "releasing unfinished jobs");
    }
    let deregistered =
        tokio::time::timeout(DEREGISTER_TIMEOUT, consumer.deregister(&unfinished)).await;
    if let Err(error) = deregistered.map_err(QueueError::from).flatten() {
        tracing::warn!(
            %error,
            "could not deregister; this worker's jobs will be reclaimed after the heartbeat timeout"
        );
    }
}

fn health(jobs: Arc<Jobs>) -> Router {
    let ready = async move || {
        if jobs.status.is_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "Redis does not accept heartbeats")
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
