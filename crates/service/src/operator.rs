//! The operator's port: Prometheus metrics and health, on a port that users do not reach. Not the
//! exporter's own listener: it has neither the routes of health nor our shutdown.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http;

/// Buckets of all durations, in seconds: a small job takes microseconds, the largest minutes.
const BUCKETS: [f64; 14] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Histograms buffer their samples until they are drained.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
const CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// Starts collecting the process's metrics.
///
/// # Panics
/// When it is called twice.
pub(crate) fn metrics() -> PrometheusHandle {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there are buckets");
    builder.install_recorder().expect("no recorder should be installed yet")
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
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
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
