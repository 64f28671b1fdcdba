//! Load on the api: wrk for throughput, and requests at a constant rate for latency. Each of the
//! latter is timed from when it was due, so that requests that had to wait for a stalled server
//! count with their waiting time (no coordinated omission).

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::figure::Sample;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Concurrent connections, as from a busy edge.
pub(crate) const CONNECTIONS: usize = 256;

/// How long wrk runs, in seconds: first to warm up, then for the figure.
const WARM_UP_SECONDS: u32 = 1;
const LOAD_SECONDS: u32 = 5;

/// Requests per second, measured by wrk with `extra_args`. Fails if any response is an error. wrk
/// also counts requests that exceed its timeout of 2 s.
pub(crate) fn wrk(url: &str, extra_args: &[&str]) -> Result<f64> {
    let rate = |seconds: u32| -> Result<f64> {
        let output = Command::new(stack::find_program("wrk").context("wrk is not installed")?)
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(extra_args)
            .arg(url)
            .output()?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "wrk failed: {stdout}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(!stdout.contains("Non-2xx"), "some requests failed: {stdout}");
        let rate = stdout
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"))
            .context("wrk printed no rate")?;
        Ok(rate.trim().parse()?)
    };
    rate(WARM_UP_SECONDS)?;
    rate(LOAD_SECONDS)
}

/// Latencies in ms of submissions at a constant `rate` per second. `body` returns the body of the
/// submission with a number, counted from 0, and gets the time at which it is due.
pub(crate) async fn submit_at_rate(
    port: u16,
    rate: f64,
    duration: Duration,
    body: impl Fn(usize, Instant) -> String + Clone + Send + 'static,
) -> Result<Sample> {
    let start = Instant::now() + Duration::from_millis(100);
    let count = (rate * duration.as_secs_f64()) as usize;
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|first| {
            let body = body.clone();
            tokio::spawn(async move {
                let mut connection = HttpConnection::open(port).await?;
                let mut latencies = Vec::with_capacity(count / CONNECTIONS + 1);
                for number in (first..count).step_by(CONNECTIONS) {
                    let due = start + Duration::from_secs_f64(number as f64 / rate);
                    sleep_until(due).await;
                    connection.post(&body(number, due)).await?;
                    latencies.push(due.elapsed().as_secs_f64() * 1e3);
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut all = Vec::with_capacity(count);
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(Sample::new(all))
}

/// A persistent connection for one submission after the other.
struct HttpConnection {
    stream: TcpStream,
    response: Vec<u8>,
}

impl HttpConnection {
    async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, response: Vec::with_capacity(4_096) })
    }

    async fn post(&mut self, body: &str) -> Result<()> {
        let request = format!(
            "POST /values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.response.clear();
        while !is_complete(&self.response)? {
            let length = self.stream.read_buf(&mut self.response).await?;
            ensure!(length > 0, "the connection was closed");
        }
        ensure!(
            self.response.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.response)
        );
        Ok(())
    }
}

/// Whether the response has arrived completely, by its content-length.
fn is_complete(response: &[u8]) -> Result<bool> {
    let Some(head_len) = response.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = str::from_utf8(&response[..head_len])?;
    let body_len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .context("the response has no content-length")?;
    Ok(response.len() >= head_len + 4 + body_len.parse::<usize>()?)
}
