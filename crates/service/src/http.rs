//! Listening, and serving routes until the process is told to stop.
//!
//! Its own loop of accepting, because stopping is the part that matters: a proxy keeps connections open and sends the next
//! request over one at any moment, and what is reset then is lost to it. So a server that is told to stop takes what has
//! arrived, accepts nothing more, which a proxy takes as the word to ask another server, and ends no connection itself while
//! the proxy may still use it: each ends with its next answer, or when the proxy lets go of it.

use std::io;
use std::net::SocketAddr;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// After the word to stop, how long connections are left to end by themselves. Longer than the edge keeps one that it does not
/// use (`keepalive_timeout` of its upstream).
const FAREWELL: Duration = Duration::from_millis(1_500);

/// Between two looks whether they have.
const LOOK: Duration = Duration::from_millis(10);

/// For the head of a request, and between two requests of a connection that is kept. Longer than a proxy keeps one.
const HEADERS: Duration = Duration::from_secs(75);

/// Pause when no further connection can be accepted, as when too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds `address`.
///
/// # Errors
/// The I/O error, with the address in its text.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// Serves `routes` until `token` is cancelled and the connections are done, or `linger` later: a client that never
/// finishes its request must not keep the process alive.
pub async fn serve(listener: TcpListener, routes: Router, token: CancellationToken, linger: Duration) {
    let (routes, token) = (TowerToHyperService::new(routes), Arc::new(token));
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            biased;
            () = token.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, &routes, &token, &connections),
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    // What waits to be accepted would be reset with the listener.
    // However many they are: tokio would have this task make way for others after some.
    while let Some(Ok((stream, _))) = unconstrained(listener.accept()).now_or_never() {
        connect(stream, &routes, &token, &connections);
    }
    drop(listener);
    let _ = timeout(FAREWELL, async {
        while connections.count() > 0 {
            sleep(LOOK).await;
        }
    })
    .await;
    if timeout(linger, connections.shutdown()).await.is_err() {
        tracing::warn!("connections were cut off");
    }
}

/// Serves one connection on a task of its own, which ends with the runtime at the latest.
fn connect(
    stream: TcpStream,
    routes: &TowerToHyperService<Router>,
    token: &Arc<CancellationToken>,
    connections: &GracefulShutdown,
) {
    // Events are small, and are not to wait for more of them.
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
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    // How a connection ends is its client's business.
    tokio::spawn(connection.map(drop));
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    async fn listen() -> (TcpListener, SocketAddr, Router) {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address, Router::new().route("/", get(async || "Hi")))
    }

    /// A client whose first request was answered, over a connection that is kept.
    async fn kept(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        let mut first = [0; 512];
        let length = client.read(&mut first).await.unwrap();
        assert!(first[..length].ends_with(b"Hi"));
        client
    }

    // One thread runs all of a test: what the client has sent is with the kernel before the server sees the word to stop.

    #[tokio::test]
    async fn a_connection_that_waits_to_be_accepted_at_the_word_to_stop_is_served() {
        let (listener, address, routes) = listen().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        let token = CancellationToken::new();
        token.cancel();
        serve(listener, routes, token, Duration::from_secs(10)).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("Hi"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_is_not_ended_as_long_as_its_client_may_send_another_request() {
        let (listener, address, routes) = listen().await;
        let token = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, routes, token.clone(), Duration::from_secs(10)));
        let mut client = kept(address).await;

        token.cancel();
        // As long as the edge may keep it.
        let ended = timeout(Duration::from_secs(1), client.read(&mut [0; 512])).await;
        assert!(ended.is_err(), "it was ended first: {ended:?}");
        drop(client);
        timeout(FAREWELL / 2, serving).await.expect("nobody is waited for").unwrap();
    }

    #[tokio::test]
    async fn a_request_on_a_kept_connection_after_the_word_to_stop_is_answered() {
        let (listener, address, routes) = listen().await;
        let token = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, routes, token.clone(), Duration::from_secs(10)));
        let mut client = kept(address).await;

        token.cancel();
        // The word is heard when nobody can connect any more.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        client.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        serving.await.unwrap();
    }
}
