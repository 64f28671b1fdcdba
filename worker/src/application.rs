//! Putting the worker together: binds the operator's port first, then runs everything in one life cycle, what calculates on
//! threads and all else as tasks.
//!
//! Told to stop, lanes finish what they are calculating if that takes no longer than [`LEAVE_AFTER`]; whatever is
//! not finished then is given back, and another worker takes it at once.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Consumer, Producer, Redis};
use service::lifecycle::Lifecycle;
use service::process::StartError;
use service::{http, memory, operator, process};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adopt::Adopter;
use crate::config::Config;
use crate::lane::Lane;
use crate::thread;
use crate::upkeep;
use crate::work::Work;

/// How long a calculation may go on after the worker was told to stop.
const LEAVE_AFTER: Duration = Duration::from_secs(3);
/// How long giving them back may take, when Redis is slow.
const FAREWELL: Duration = Duration::from_secs(1);

/// The worker, bound to its port and not yet running.
pub struct Application {
    operator: TcpListener,
    metrics: PrometheusHandle,
    redis: Redis,
    config: Config,
    consumer: Consumer,
    lifecycle: Lifecycle,
}

/// Runs the worker as a process: logs, metrics, signals, exit code.
pub async fn run(config: Config) -> ExitCode {
    let operator = config.operator.clone();
    process::run(&operator, async |metrics| {
        describe();
        Ok(Application::build(config, metrics).await?.run())
    })
    .await
}

/// Says what the metrics mean, and that nothing has happened yet: a counter that is not there cannot be seen to rise.
fn describe() {
    metrics::describe_counter!("jobs_taken_total", "jobs that this worker was given");
    metrics::describe_counter!("jobs_total", "jobs by outcome: done, not_stored, taken_over, given_up");
    metrics::describe_counter!(
        "corrected_results_total",
        "results whose roundings were uncertain, calculated again in integers"
    );
    metrics::describe_counter!("wrong_results_total", "results that failed their check and were not stored");
    metrics::describe_histogram!("calculation_seconds", "time of one calculation");
    // There before anything happens: an alarm on one that is missing would never ring.
    let _ = metrics::counter!("jobs_taken_total");
    for outcome in ["done", "not_stored", "taken_over", "given_up"] {
        let _ = metrics::counter!("jobs_total", "outcome" => outcome);
    }
    let _ = metrics::counter!("corrected_results_total");
    let _ = metrics::counter!("wrong_results_total");
    let _ = metrics::histogram!("calculation_seconds");
}

impl Application {
    /// Binds the port of `config` (0 takes a free one). Redis need not be up.
    ///
    /// # Errors
    /// [`StartError`] when an address is not one or the port cannot be had.
    pub async fn build(config: Config, metrics: PrometheusHandle) -> Result<Self, StartError> {
        let redis = Redis::open(&config.redis.url())
            .map_err(|error| StartError::Configuration(format!("REDIS_URL: {error}")))?;
        let at = SocketAddr::new(config.operator.listen_addr, config.operator.metrics_port);
        let operator = http::bind(at).await?;
        let consumer = Consumer::new(redis.clone(), name());
        Ok(Self { operator, metrics, redis, config, consumer, lifecycle: Lifecycle::new() })
    }

    /// This worker's name, as events and logs have it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.consumer.name()
    }

    /// Cancelling it stops the worker as a signal does.
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
        let count = config.worker_lanes.map_or_else(cores, usize::from);
        let work = Arc::new(Work::new(count));
        let lane = || Lane::new(consumer.clone(), Arc::clone(&work), token.clone());

        // Signs of life go on until the lanes are done, or are left behind with a calculation that takes too long.
        let left = CancellationToken::new();
        let lanes = TaskTracker::new();
        for lane in std::iter::repeat_with(lane).take(count) {
            let running = thread::run("lane", left.clone(), || lane.run());
            lifecycle.spawn("lane", lanes.track_future(running));
        }
        let other = lane();
        let running = thread::run("take over", left.clone(), || upkeep::take_over(other));
        lifecycle.spawn("take over", lanes.track_future(running));
        lanes.close();

        lifecycle.spawn("beat", upkeep::beat(consumer.clone(), Arc::clone(&work), left.clone()));
        lifecycle.spawn("leave", leave(consumer, Arc::clone(&work), lanes, token.clone(), left));

        let producer = Producer::new(redis.clone(), config.max_queue);
        let adopter = Adopter { redis, producer, max_index: config.max_index };
        lifecycle.spawn("adopt", adopter.run(token.clone()));
        lifecycle.spawn("memory", memory::give_back_when_idle(token.clone()));
        lifecycle.spawn("operator", operator::serve(operator, metrics, health(work), token));
        lifecycle.run().await
    }
}

/// Waits for the end, then for the lanes, and gives back what they could not finish.
async fn leave(
    consumer: Consumer,
    work: Arc<Work>,
    lanes: TaskTracker,
    token: CancellationToken,
    left: CancellationToken,
) {
    token.cancelled().await;
    let finished = tokio::time::timeout(LEAVE_AFTER, lanes.wait()).await;
    left.cancel();
    let entries = work.entries();
    if finished.is_err() {
        tracing::warn!(jobs = entries.len(), "leaving jobs to other workers");
    }
    match tokio::time::timeout(FAREWELL, consumer.leave(&entries)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not say good-bye; jobs are taken over after a silence")
        }
        Err(_) => tracing::warn!("no time to say good-bye; jobs are taken over after a silence"),
    }
}

fn health(work: Arc<Work>) -> Router {
    let ready = async move || {
        if work.is_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "Redis does not answer")
        }
    };
    Router::new().route("/health/live", get(async || "alive")).route("/health/ready", get(ready))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A name that no other live worker has, and that tells a person which host it is on.
fn name() -> String {
    let host: String = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(32)
        .collect();
    format!("{}-{:08x}", if host.is_empty() { "worker" } else { &host }, fastrand::u32(..))
}
