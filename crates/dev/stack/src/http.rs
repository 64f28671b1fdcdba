//! The smallest HTTP client that can ask "are you ready?": one GET, HTTP/1.0, no TLS, no redirects, no reuse.
//! Tests that talk to the api in earnest use a real client.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::{Error, Result};

/// A health check that takes longer than this counts as failed.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Most of an answer that is read, in bytes: a health report is far smaller.
const LIMIT: u64 = 1 << 20;

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, at most 1 MiB of it.
    pub body: String,
}

/// Fetches `http://host:port/path`.
///
/// # Errors
/// [`Error::Io`] when nobody answers within 2 s or the answer is not HTTP; any status code is a success.
pub fn http_get(url: &str) -> Result<Response> {
    get(url).map_err(Error::io(format!("GET {url}")))
}

fn get(url: &str) -> io::Result<Response> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let rest = url.strip_prefix("http://").ok_or_else(|| invalid("not an http:// address"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };

    let address = with_port.to_socket_addrs()?.next().ok_or_else(|| invalid("unknown host"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0, so that the answer is never chunked and ends with the connection.
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n\r\n")?;

    let mut answer = Vec::new();
    stream.take(LIMIT).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| invalid("the answer has no head"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Response { status: status.ok_or_else(|| invalid("no status code"))?, body: body.to_owned() })
}
