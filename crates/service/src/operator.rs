//! The operator's port, which users cannot reach: Prometheus metrics, and health in the worker. The
//! metrics exporter has an HTTP listener too, but it supports neither other routes nor our
//! shutdown.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http;

/// Upper bounds of the histograms' buckets, in seconds. A small job takes microseconds, the largest
/// minutes.
const DURATION_BUCKETS: [f64; 14] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Histograms buffer their samples until the exporter's upkeep drains them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
const REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Starts collecting the process's metrics. Panics when called twice.
pub(crate) fn install_metrics_recorder() -> PrometheusHandle {
    let builder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS);
    let builder = builder.expect("there should be a bucket");
    builder.install_recorder().expect("no recorder should be installed yet")
}

/// Serves `/metrics` and the routes of `health` on `listener` until `token` is cancelled.
pub async fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    health: Router,
    token: CancellationToken,
) {
    let handle = metrics.clone();
    let process = Collector::default();
    process.describe();
    let render = async move || {
        process.collect();
        metrics.render()
    };
    let routes = health.route("/metrics", get(render));
    let upkeep = async {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            interval.tick().await;
            handle.run_upkeep();
        }
    };
    tokio::select! {
        () = http::serve(listener, routes, token, REQUEST_GRACE) => {}
        () = upkeep => {}
    }
}
