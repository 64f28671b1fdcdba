//! Memory of idle services, time from start to ready, memory of an open event stream. Idle is a
//! service that has worked: after small values, and after the largest ones below the default
//! MAX_INDEX.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use e2e::{LocalSite, Site};
use queue::{QueueMonitor, RedisClient};
use stack::Service;

use crate::load::steady;
use crate::production;

const ROUNDS: usize = 5;

/// Work before they are idle: new indices a second, and for how long.
const RATE: f64 = 1_000.0;
const WORK: Duration = Duration::from_secs(2);

/// Further work: values of the largest indices below the default MAX_INDEX, megabytes each.
const LARGE: usize = 20;
const MAX_INDEX: u32 = 10_000_000;

/// Idle for this long; they release unused memory within two seconds.
const IDLE: Duration = Duration::from_secs(3);

/// For the rest of the queue.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Event streams that are opened.
const STREAMS: usize = 1_000;

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let system = Site::start_with(production());
    let (api, worker) = (&system.servers[0], &system.workers[0]);
    let port = api.port();
    let (mut api_ready, mut worker_ready) = (Vec::new(), Vec::new());
    let (mut api_idle, mut worker_idle, mut stream) = (Vec::new(), Vec::new(), Vec::new());
    let (mut api_after_large, mut worker_after_large) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        worker_ready.push(restart(worker)?);
        api_ready.push(restart(api)?);
        let first = round * (RATE * WORK.as_secs_f64()) as usize;
        steady(port, RATE, WORK, move |number, _| format!("{{\"index\":{}}}", first + number))
            .await?;
        wait_until_idle(&system).await?;
        worker_idle.push(memory(worker)? / 1e3);
        api_idle.push(memory(api)? / 1e3);
        // Before the large values, whose freed memory the streams could use.
        stream.push(measure_streams(api, port)?);
        calculate_large(&system, round).await?;
        wait_until_idle(&system).await?;
        worker_after_large.push(memory(worker)? / 1e3);
        api_after_large.push(memory(api)? / 1e3);
    }
    let less = |what, unit, sample, bound| {
        Figure::less(what, unit, Sample::new(sample), Goal::Below(bound))
    };
    Ok(vec![
        less("api idle after 2,000 submissions: RSS", "MB", api_idle, 20.0),
        less("worker idle after them: RSS", "MB", worker_idle, 20.0),
        less(
            "api idle after 20 values of two million digits each: RSS",
            "MB",
            api_after_large,
            20.0,
        ),
        less("worker idle after them: RSS", "MB", worker_after_large, 20.0),
        less("api from start to ready", "ms", api_ready, 200.0),
        less("worker from start to ready", "ms", worker_ready, 200.0),
        less("an idle event stream, of 1,000", "kB", stream, 20.0),
    ])
}

/// Has large values calculated, new ones in each round, and reads them.
async fn calculate_large(system: &LocalSite, round: usize) -> Result<()> {
    for number in 0..LARGE {
        let index = MAX_INDEX - u32::try_from(round * LARGE + number)?;
        system.try_submit(index).await?;
        let digits =
            system.digits(index).await.context("it is answered when it has been calculated")?;
        ensure!(digits.len() > 2_000_000, "F({index}) has {} digits", digits.len());
    }
    Ok(())
}

/// Waits until the queue is empty, and for a while longer.
async fn wait_until_idle(system: &LocalSite) -> Result<()> {
    let monitor = QueueMonitor::new(RedisClient::open(&system.redis.url())?);
    let is_empty = async || (monitor.stats().await.ok()?.queue_length.jobs() == 0).then_some(());
    e2e::eventually("the queue is empty", DRAIN_TIMEOUT, is_empty).await;
    tokio::time::sleep(IDLE).await;
    Ok(())
}

/// Restarts it; ms until it is ready.
fn restart(service: &Service) -> Result<f64> {
    service.stop()?;
    let start = Instant::now();
    service.start()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// kB of memory.
fn memory(service: &Service) -> Result<f64> {
    let pid = service.pid().context("it does not run")?;
    let kibibytes = stack::memory(pid)?.resident;
    Ok(kibibytes as f64 * 1.024)
}

/// kB for each of many open streams.
fn measure_streams(api: &Service, port: u16) -> Result<f64> {
    let before = memory(api)?;
    let mut open = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut head = [0; 512];
        let length = stream.read(&mut head)?;
        ensure!(head[..length].starts_with(b"HTTP/1.1 200"), "a stream was refused");
        open.push(stream);
    }
    Ok((memory(api)? - before) / STREAMS as f64)
}
