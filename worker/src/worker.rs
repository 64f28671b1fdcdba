//! Puts the worker together: binds the operator's port, then starts everything in one life cycle,
//! executors on threads, all else as tasks.

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

/// How long a calculation may go on after the shutdown signal. Jobs that are not finished then are
/// released, and another worker takes them at once.
const CALCULATION_GRACE: Duration = Duration::from_secs(3);
/// Memory for a calculation of F(n), in bytes per unit of n: a little more than n/5 digits at 4.7
/// bytes (BENCHMARKS.md), and what is sent to Redis.
const CALCULATION_BYTES_PER_INDEX: f64 = 0.21 * 5.7;
const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the worker, with the operator's port of `config`, where 0 is any free one. Redis may
/// start later.
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
    tracing::info!(worker = consumer.name(), operator = %address, redis = redis.address(), "listening");

    let mut lifecycle = Lifecycle::default();
    let token = lifecycle.token();
    let jobs = Arc::new(Jobs::new(threads));
    let executor = || Executor::new(consumer.clone(), Arc::clone(&jobs), token.clone());

    // Cancelled when the executors are finished, or are abandoned in a calculation that takes too
    // long. Until then, heartbeats continue.
    let abandoned = CancellationToken::new();
    let executors = TaskTracker::new();
    for executor in std::iter::repeat_with(executor).take(threads) {
        let running = thread::run("executor", abandoned.clone(), || executor.run());
        lifecycle.try_spawn("executor", executors.track_future(running));
    }
    let reclaimer = executor();
    let running =
        thread::run("reclaim", abandoned.clone(), || maintenance::reclaim_jobs(reclaimer));
    lifecycle.try_spawn("reclaim", executors.track_future(running));
    executors.close();

    let heartbeats =
        maintenance::send_heartbeats(consumer.clone(), Arc::clone(&jobs), abandoned.clone());
    lifecycle.spawn("heartbeat", heartbeats);
    let redis_health = token.clone().run_until_cancelled_owned(redis.clone().poll_health());
    lifecycle.spawn("redis", async {
        redis_health.await;
    });
    lifecycle.check(redis.clone().check_supported(config.max_index));
    let shutdown =
        shut_down(consumer, Arc::clone(&jobs), executors, token.clone(), abandoned.clone());
    lifecycle.spawn("shutdown", shutdown);

    let producer = Producer::new(redis.clone(), config.max_queue);
    let max_index = config.max_index;
    let announcements =
        AnnouncementListener { redis, producer, max_index, jobs: Arc::clone(&jobs) };
    lifecycle.spawn("announcements", announcements.run(abandoned.clone()));
    lifecycle.spawn("memory", memory::trim_when_idle(token.clone()));
    lifecycle.spawn("operator", operator::serve(operator, prometheus, health(jobs), token));
    Ok(lifecycle)
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
    let unfinished = [jobs.ids(), jobs.take_to_release()].concat();
    if finished.is_err() {
        tracing::warn!(jobs = unfinished.len(), "releasing unfinished jobs");
    }
    let deregistered =
        tokio::time::timeout(DEREGISTER_TIMEOUT, consumer.deregister(&unfinished)).await;
    if let Err(error) = deregistered.map_err(QueueError::from).flatten() {
        tracing::warn!(%error, "could not deregister; this worker's jobs will be reclaimed after the heartbeat timeout");
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
