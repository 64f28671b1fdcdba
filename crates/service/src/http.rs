//! Serves HTTP/1.1, with a shutdown that resets no request of a proxy.
//!
//! Not `axum::serve`: its graceful shutdown closes idle connections at once, and a proxy that sends
//! a request over one at that moment has it reset. Here a shutdown accepts what has arrived, then
//! refuses new connections, on which a proxy asks another server, and leaves idle connections open:
//! each closes with its next response, or by the proxy.

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

/// After the shutdown signal, time for connections to close by themselves. Longer than the edge
/// keeps an idle one (`keepalive_timeout` of its upstream).
const KEEP_ALIVE_GRACE: Duration = Duration::from_millis(1_500);
/// Between two checks whether they have.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// For the head of a request, and between two requests on a connection. Longer than a proxy keeps
/// an idle one.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Connections that may wait to be accepted. The edge has 2 × 2,048 and needs two for a request, so
/// it opens at most this many; Linux drops further handshakes, and the edge times out.
/// `TcpListener::bind` allows 128, too few while the other server restarts.
const BACKLOG: u32 = 2_048;
/// After an error of `accept`, such as too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Listens on a port, where 0 is any free one. The address is in the text of an error.
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
    socket.listen(BACKLOG)
}

/// Serves `routes` until `token` is cancelled and all connections are closed, at most
/// `KEEP_ALIVE_GRACE` and `grace` later.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    token: CancellationToken,
    grace: Duration,
) {
    let (routes, token) = (TowerToHyperService::new(routes), Arc::new(token));
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            biased;
            () = token.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, &routes, &token, &connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
    // Closing the listener resets connections that wait to be accepted. tokio's accept only sees
    // those of its last epoll, so ask the kernel until there are none.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                connect(stream, &routes, &token, &connections);
            }
        }
    }
    let _ = timeout(KEEP_ALIVE_GRACE, async {
        while connections.count() > 0 {
            sleep(POLL_INTERVAL).await;
        }
    })
    .await;
    if timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("connections still open after the grace period");
    }
}

/// Serves one connection on a new task.
fn connect(
    stream: TcpStream,
    routes: &TowerToHyperService<Router>,
    token: &Arc<CancellationToken>,
    connections: &GracefulShutdown,
) {
    // Without Nagle's algorithm, which delays small events.
    let _ = stream.set_nodelay(true);
    let (routes, token) = (routes.clone(), Arc::clone(token));
    let service = service_fn(move |request| {
        let token = Arc::clone(&token);
        routes.call(request).map_ok(move |mut answer| {
            if token.is_cancelled() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    // A connection's error is the client's.
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

    /// A server, its shutdown signal, and a connection on which one request was answered.
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

    // One thread runs a test, so what the client has sent is in the kernel before the server sees
    // the shutdown signal.

    #[tokio::test]
    async fn a_connection_not_accepted_yet_at_shutdown_is_served() {
        let (serving, token, _, address) = serve_one().await;
        // While this blocks the runtime, it is not told that a connection has arrived.
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(REQUEST).unwrap();
        token.cancel();
        serving.await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("Hi"), "{answer}");
    }

    #[tokio::test]
    async fn an_idle_connection_stays_open_while_its_client_may_use_it() {
        let (serving, token, mut client, _) = serve_one().await;
        token.cancel();
        // As long as the edge keeps it.
        let ended = timeout(Duration::from_secs(1), client.read(&mut [0; 512])).await;
        assert!(ended.is_err(), "the server closed it: {ended:?}");
        drop(client);
        timeout(KEEP_ALIVE_GRACE / 2, serving).await.expect("no connection is left").unwrap();
    }

    #[tokio::test]
    async fn a_request_on_an_idle_connection_after_shutdown_is_answered() {
        let (serving, token, mut client, address) = serve_one().await;
        token.cancel();
        // The server has seen the signal when it refuses connections.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        client.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"),
            "{answer}"
        );
        serving.await.unwrap();
    }
}
