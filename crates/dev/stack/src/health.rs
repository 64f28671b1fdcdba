//! Health checks of HTTP servers, Redis and Postgres, and [`http_get`], the minimal HTTP client
//! that they use.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::programs::postgres_program;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longer responses are truncated.
const MAX_RESPONSE_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub body: String,
}

/// Requests `http://host:port/path` over HTTP/1.0. Any status code is `Ok`. A response is truncated
/// after 1 MiB.
pub fn http_get(url: &str) -> Result<HttpResponse> {
    get(url).with_context(|| format!("GET {url}"))
}

fn get(url: &str) -> Result<HttpResponse> {
    let rest = url.strip_prefix("http://").context("not an http:// address")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = host.to_socket_addrs()?.next().context("unknown host")?;
    let mut stream = TcpStream::connect_timeout(&address, RESPONSE_TIMEOUT)?;
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    stream.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
    // HTTP/1.0, so that the response is never chunked and ends with the connection.
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n\r\n")?;

    let mut response = Vec::new();
    stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut response)?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").context("no end of the headers")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(HttpResponse { status: status.context("no status code")?, body: body.to_owned() })
}

/// Whether the service at `url` is healthy: `http://…` responds with 200, `redis://127.0.0.1:PORT`
/// replies to PING, and pg_isready accepts `postgres://…@127.0.0.1:PORT/…`.
pub fn is_healthy(url: &str) -> bool {
    let port = || url.rsplit(':').next()?.split('/').next()?.parse().ok();
    match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "http" => http_get(url).is_ok_and(|response| response.status == 200),
        "redis" => port().is_some_and(|port| replies_to_ping(port).unwrap_or(false)),
        "postgres" => port().is_some_and(is_postgres_ready),
        _ => false,
    }
}

/// Whether the server at `http://host:port` accepts connections.
pub fn listens(url: &str) -> bool {
    TcpStream::connect(url.trim_start_matches("http://")).is_ok()
}

/// A Redis that is loading its data replies `-LOADING`, which is false. One that requires a
/// password replies `-NOAUTH`, which is true.
fn replies_to_ping(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 5];
    stream.read_exact(&mut reply)?;
    Ok(matches!(&reply, b"+PONG" | b"-NOAU"))
}

fn is_postgres_ready(port: u16) -> bool {
    let Ok(program) = postgres_program("pg_isready") else { return false };
    let status = Command::new(program)
        .args(["--quiet", "--host=127.0.0.1", "--username=postgres", "--dbname=postgres"])
        .args([format!("--port={port}"), format!("--timeout={}", RESPONSE_TIMEOUT.as_secs())])
        .env_clear()
        .stdin(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
