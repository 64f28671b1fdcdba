//! The `healthcheck` subcommand: asks the service on this host whether it is ready, so that an
//! image needs no curl. By hand, because an HTTP client crate would be in every binary for this one
//! request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the service waits for Postgres and Redis, shorter than the health checks of the
/// images.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Exit code 0 when `GET /health/ready` on the service that listens on `listening` answers 200,
/// else 1 and a line on why.
pub async fn run(listening: IpAddr, port: u16) -> ExitCode {
    // A service that listens on all addresses is reached on loopback.
    let host = match listening {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let answer =
        tokio::time::timeout(RESPONSE_TIMEOUT, status_line(SocketAddr::new(host, port))).await;
    let why = match answer {
        Ok(Ok(line)) if line.split(' ').nth(1) == Some("200") => return ExitCode::SUCCESS,
        Ok(Ok(line)) => line,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    eprintln!("unhealthy: {why}");
    ExitCode::FAILURE
}

async fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}
