//! Load: wrk for throughput, and for latency requests at a steady rate, each timed from when it was
//! due, so that a server that stalls is charged for the requests that had to wait.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::figure::Sample;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Concurrent connections, as from a busy edge.
pub(crate) const CONNECTIONS: usize = 256;

/// How long wrk runs, in seconds: for warm-up, then for the figure.
const WARM_UP: u32 = 1;
const LOAD_SECONDS: u32 = 5;

/// Successful requests a second, by wrk. It counts those too that exceed its timeout of 2 s.
pub(crate) fn wrk(url: &str, more: &[&str]) -> Result<f64> {
    let rate = |seconds: u32| -> Result<f64> {
        let output = Command::new(stack::find_program("wrk").context("wrk is not installed")?)
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(more)
            .arg(url)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "wrk failed: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(!said.contains("Non-2xx"), "some requests failed: {said}");
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"))
            .context("wrk's rate")?;
        Ok(rate.trim().parse()?)
    };
    rate(WARM_UP)?;
    rate(LOAD_SECONDS)
}

/// Latencies in ms of submissions at a steady `rate`. `request` makes the body of the one with that
/// number, which is due now.
pub(crate) async fn steady(
    port: u16,
    rate: f64,
    duration: Duration,
    request: impl Fn(usize, Instant) -> String + Clone + Send + 'static,
) -> Result<Sample> {
    let start = Instant::now() + Duration::from_millis(100);
    let count = (rate * duration.as_secs_f64()) as usize;
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|first| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut connection = HttpConnection::open(port).await?;
                let mut latencies = Vec::with_capacity(count / CONNECTIONS + 1);
                for number in (first..count).step_by(CONNECTIONS) {
                    let due = start + Duration::from_secs_f64(number as f64 / rate);
                    sleep_until(due).await;
                    connection.post(&request(number, due)).await?;
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
    answer: Vec<u8>,
}

impl HttpConnection {
    async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(4_096) })
    }

    async fn post(&mut self, body: &str) -> Result<()> {
        let request = format!(
            "POST /values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        while !is_whole(&self.answer)? {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the connection was closed");
        }
        ensure!(
            self.answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.answer)
        );
        Ok(())
    }
}

/// Whether a whole answer has arrived, by its content-length.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(false) };
    let text = str::from_utf8(&answer[..head])?;
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
    Ok(answer.len() >= head + 4 + length.parse::<usize>()?)
}
