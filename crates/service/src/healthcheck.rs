//! The `healthcheck` subcommand: asks the service on this host whether it is ready, so the images
//! need no curl. The request is written by hand, because it would be the only use of an HTTP client
//! crate in the binaries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the service waits for Postgres and Redis, shorter than the timeout of the images'
/// health checks.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Returns exit code 0 if `GET /health/ready` of the service that listens on `listen_addr` and
/// `port` responds with 200. Otherwise prints why and returns 1.
pub async fn run(listen_addr: IpAddr, port: u16) -> ExitCode {
    // A service that listens on all addresses also listens on loopback.
    let host = match listen_addr {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let response =
        tokio::time::timeout(RESPONSE_TIMEOUT, status_line(SocketAddr::new(host, port))).await;
    let reason = match response {
        Ok(Ok(line)) if line.split(' ').nth(1) == Some("200") => return ExitCode::SUCCESS,
        Ok(Ok(line)) => line,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no response".to_owned(),
    };
    eprintln!("unhealthy: {reason}");
    ExitCode::FAILURE
}

async fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    Ok(String::from_utf8_lossy(&response).lines().next().unwrap_or_default().to_owned())
}
