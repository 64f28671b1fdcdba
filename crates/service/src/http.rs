//! Listening, and serving routes until the process is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Binds `address`.
///
/// # Errors
/// The I/O error, with the address in its text.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// Serves `routes` until `token` is cancelled and the connections are done, or `linger` later: a client that never
/// finishes its request must not keep the process alive.
///
/// # Errors
/// An I/O error of the listener.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    token: CancellationToken,
    linger: Duration,
) -> std::io::Result<()> {
    let server = axum::serve(listener, routes).with_graceful_shutdown(token.clone().cancelled_owned());
    tokio::select! {
        served = server => served,
        () = async { token.cancelled().await; tokio::time::sleep(linger).await } => {
            tracing::warn!("connections were cut off");
            Ok(())
        }
    }
}
