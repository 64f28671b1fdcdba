//! The operator's port: Prometheus metrics and health, on a port that users do not reach.
//! The exporter's own listener has neither the routes of health nor our shutdown.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http;

/// Buckets of all durations, in seconds: a small job takes microseconds, the largest minutes.
const BUCKETS: [f64; 14] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

const CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// Starts collecting the process's metrics.
///
/// # Errors
/// [`BuildError`] when it is called twice in a process.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()
}

/// Serves `/metrics` and the routes of `health` on `listener` until `token` is cancelled.
pub async fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    health: Router,
    token: CancellationToken,
) {
    let upkeep = metrics.clone();
    let routes = health.route("/metrics", get(async move || metrics.render()));
    let maintenance = async {
        // Histograms buffer their samples until they are drained.
        let mut interval = tokio::time::interval(Duration::from_secs(5));
        loop {
            interval.tick().await;
            upkeep.run_upkeep();
        }
    };
    tokio::select! {
        () = http::serve(listener, routes, token, CONNECTION_GRACE) => {}
        () = maintenance => {}
    }
}
