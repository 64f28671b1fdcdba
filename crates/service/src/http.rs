//! Serves HTTP/1.1. A shutdown resets no request that a proxy is sending.
//!
//! The graceful shutdown of `axum::serve` closes idle connections at once. If a proxy sends a
//! request on such a connection at that moment, the request is reset. Here, a shutdown first
//! accepts the connections that have arrived. Then it refuses new ones, so that a proxy tries
//! another server. It leaves idle connections open until their next response or until the proxy
//! closes them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use futures_util::{FutureExt, TryFutureExt};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Time after the shutdown signal in which proxies close their idle connections. Longer than the
/// edge's `keepalive_timeout` for upstreams.
const KEEP_ALIVE_GRACE: Duration = Duration::from_millis(1_500);
/// How often the shutdown checks whether connections are still open.
const OPEN_CONNECTIONS_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Limits both the time to send a request's headers and the idle time before a request. Longer than
/// proxies keep idle connections.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Connections that may wait to be accepted. Linux drops further handshakes, and the edge times
/// out. The edge has 2 × 2,048 connections and needs two for a request, so it opens at most this
/// many to one server. `TcpListener::bind` allows 128, which is too few while the other server
/// restarts.
const LISTEN_BACKLOG: u32 = 2_048;
/// Delay after an error of `accept`, such as too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Listens on a port; 0 is any free port. The text of an error contains the address.
pub fn bind(host: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let address = SocketAddr::new(host, port);
    let listener = listen(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

/// Serves `routes` until `token` is cancelled, then waits until all connections are closed: idle
/// ones for `KEEP_ALIVE_GRACE`, and after that, those with a request in progress for
/// `request_grace`.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    token: CancellationToken,
    request_grace: Duration,
) {
    let (routes, token) = (TowerToHyperService::new(routes), Arc::new(token));
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            biased;
            () = token.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn_connection(stream, &routes, &token, &connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
    // Closing the listener resets connections that wait to be accepted, so accept them first. tokio
    // may not have noticed all of them, so ask the kernel until there are none.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                spawn_connection(stream, &routes, &token, &connections);
            }
        }
    }
    let _ = timeout(KEEP_ALIVE_GRACE, async {
        while connections.count() > 0 {
            sleep(OPEN_CONNECTIONS_POLL_INTERVAL).await;
        }
    })
    .await;
    if timeout(request_grace, connections.shutdown()).await.is_err() {
        tracing::warn!("connections still open after the grace period");
    }
}

/// Serves one connection on a new task.
fn spawn_connection(
    stream: TcpStream,
    routes: &TowerToHyperService<Router>,
    token: &Arc<CancellationToken>,
    connections: &GracefulShutdown,
) {
    // Turns off Nagle's algorithm, which would delay small events.
    let _ = stream.set_nodelay(true);
    let (routes, token) = (routes.clone(), Arc::clone(token));
    let service = service_fn(move |request| {
        let token = Arc::clone(&token);
        routes.call(request).map_ok(move |mut response| {
            if token.is_cancelled() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    // Errors of a connection come from the client, such as a reset.
    tokio::spawn(connection.map(drop));
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    #[tokio::test]
    async fn a_burst_of_connections_waits_to_be_accepted() {
        let (_listener, address) = bind([127, 0, 0, 1].into(), 0).unwrap();
        let connect =
            |_| std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).unwrap();
        assert_eq!((0..500).map(connect).collect::<Vec<_>>().len(), 500);
    }

    /// Starts a server and sends it one request. Returns the server's task, its shutdown token, the
    /// idle connection, and the server's address.
    async fn serve_one() -> (JoinHandle<()>, CancellationToken, TcpStream, SocketAddr) {
        let (listener, address) = bind([127, 0, 0, 1].into(), 0).unwrap();
        let routes = Router::new().route("/", get(async || "Hi"));
        let token = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, routes, token.clone(), Duration::from_secs(10)));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        let mut first = [0; 512];
        let length = client.read(&mut first).await.unwrap();
        assert!(first[..length].ends_with(b"Hi"));
        (serving, token, client, address)
    }

    // The tests run on one thread, so the client's data is in the kernel before the server's task
    // runs again and finds its token cancelled.

    #[tokio::test]
    async fn a_connection_not_accepted_yet_at_shutdown_is_served() {
        let (serving, token, _, address) = serve_one().await;
        // Blocks the runtime, so tokio does not notice the new connection before the shutdown.
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(REQUEST).unwrap();
        token.cancel();
        serving.await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("Hi"), "{response}");
    }

    #[tokio::test]
    async fn an_idle_connection_stays_open_during_the_keep_alive_grace() {
        let (serving, token, mut client, _) = serve_one().await;
        token.cancel();
        // The edge keeps an idle connection for 1 s.
        let ended = timeout(Duration::from_secs(1), client.read(&mut [0; 512])).await;
        assert!(ended.is_err(), "the server closed it: {ended:?}");
        drop(client);
        timeout(KEEP_ALIVE_GRACE / 2, serving).await.expect("no connection is left").unwrap();
    }

    #[tokio::test]
    async fn a_request_on_an_idle_connection_after_shutdown_is_answered() {
        let (serving, token, mut client, address) = serve_one().await;
        token.cancel();
        // The shutdown has begun when the server refuses connections.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        client.write_all(REQUEST).await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        assert!(
            response.starts_with("HTTP/1.1 200") && response.contains("connection: close"),
            "{response}"
        );
        serving.await.unwrap();
    }
}
