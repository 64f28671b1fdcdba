//! The operator's port: Prometheus metrics and health, apart from the port that users reach.
//!
//! What "ready" means is the service's own business and comes in as routes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Buckets of every duration, in seconds: a small job takes microseconds, the largest minutes.
const SECONDS: [f64; 14] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Starts collecting the process's metrics.
///
/// # Errors
/// [`BuildError`] when it is called twice in a process.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()
}

/// Serves `/metrics` and the routes of `health` on `listener` until `token` is cancelled.
///
/// # Errors
/// An I/O error of the listener.
pub async fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    health: Router,
    token: CancellationToken,
) -> std::io::Result<()> {
    let upkeep = metrics.clone();
    let routes = health.route("/metrics", get(async move || metrics.render()));
    let server = axum::serve(listener, routes).with_graceful_shutdown(token.clone().cancelled_owned());
    let maintain = async {
        // Histograms buffer what they are given until they are asked to fold it.
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    };
    tokio::select! {
        served = server => served,
        () = maintain => Ok(()),
        // Nobody's half-sent request here is worth waiting for.
        () = async { token.cancelled().await; tokio::time::sleep(Duration::from_secs(1)).await } => Ok(()),
    }
}

/// Binds `address`.
///
/// # Errors
/// The I/O error, with the address in its text.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}
