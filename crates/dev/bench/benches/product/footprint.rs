//! Memory of idle services, time from start to ready, and memory of an open event stream. The
//! services are idle after work: after small values, and after the largest ones that the default
//! MAX_INDEX allows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};
use e2e::{LocalSite, Site};
use queue::{QueueMonitor, RedisClient};
use stack::Service;

use crate::load::submit_at_rate;
use crate::production;

const ROUNDS: usize = 5;

/// Work before the services become idle: new indices per second, and for how long.
const RATE: f64 = 1_000.0;
const WORK_DURATION: Duration = Duration::from_secs(2);

/// Further work in each round: large values of two million digits each.
const LARGE_VALUES: usize = 20;
/// The default.
const MAX_INDEX: u32 = 10_000_000;

/// How long a service is idle before its memory is measured. It returns freed memory to the system
/// within two seconds.
const IDLE_DURATION: Duration = Duration::from_secs(3);

/// Time allowed to empty the queue.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The number of event streams that are opened at the same time.
const EVENT_STREAMS: usize = 1_000;

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let system = Site::start_with(production());
    let (api, worker) = (&system.servers[0], &system.workers[0]);
    let port = api.port();
    let (mut api_ready, mut worker_ready) = (Vec::new(), Vec::new());
    let (mut api_idle, mut worker_idle, mut stream) = (Vec::new(), Vec::new(), Vec::new());
    let (mut api_after_large, mut worker_after_large) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        worker_ready.push(restart_ms(worker)?);
        api_ready.push(restart_ms(api)?);
        let first = round * (RATE * WORK_DURATION.as_secs_f64()) as usize;
        let body = move |number: usize, _| format!("{{\"index\":{}}}", first + number);
        submit_at_rate(port, RATE, WORK_DURATION, body).await?;
        wait_until_idle(&system).await?;
        worker_idle.push(resident_kb(worker)? / 1e3);
        api_idle.push(resident_kb(api)? / 1e3);
        // Before the large values, because the streams could reuse their freed memory.
        stream.push(stream_kb(api, port)?);
        calculate_large(&system, round).await?;
        wait_until_idle(&system).await?;
        worker_after_large.push(resident_kb(worker)? / 1e3);
        api_after_large.push(resident_kb(api)? / 1e3);
    }
    let figure = |title, unit, results, bound| {
        Figure::less_is_better(title, unit, Sample::new(results), Goal::Below(bound))
    };
    Ok(vec![
        figure("RSS of the idle api after 2,000 submissions", "MB", api_idle, 20.0),
        figure("RSS of the idle worker after them", "MB", worker_idle, 20.0),
        figure(
            "RSS of the idle api after 20 values of two million digits each",
            "MB",
            api_after_large,
            20.0,
        ),
        figure("RSS of the idle worker after them", "MB", worker_after_large, 20.0),
        figure("api from start to ready", "ms", api_ready, 200.0),
        figure("worker from start to ready", "ms", worker_ready, 200.0),
        figure("memory of the api per idle event stream, of 1,000", "kB", stream, 20.0),
    ])
}

/// Submits large indices, new ones in each round, and reads their values.
async fn calculate_large(system: &LocalSite, round: usize) -> Result<()> {
    for number in 0..LARGE_VALUES {
        let index = MAX_INDEX - u32::try_from(round * LARGE_VALUES + number)?;
        system.try_submit(index).await?;
        let digits = system.digits(index).await.context("a value was not calculated in time")?;
        ensure!(digits.len() > 2_000_000, "F({index}) has {} digits", digits.len());
    }
    Ok(())
}

/// Waits until the queue is empty, and then for [`IDLE_DURATION`].
async fn wait_until_idle(system: &LocalSite) -> Result<()> {
    let monitor = QueueMonitor::new(RedisClient::open(&system.redis.url())?);
    let is_empty = async || (monitor.stats().await.ok()?.queue_length.jobs() == 0).then_some(());
    e2e::eventually("the queue is empty", DRAIN_TIMEOUT, is_empty).await;
    tokio::time::sleep(IDLE_DURATION).await;
    Ok(())
}

/// Restarts the service. Returns the time from its start until it is ready, in ms.
fn restart_ms(service: &Service) -> Result<f64> {
    service.stop()?;
    let start = Instant::now();
    service.start()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// The resident memory of the service, in kB.
fn resident_kb(service: &Service) -> Result<f64> {
    let pid = service.pid().context("the service is not running")?;
    let kibibytes = stack::memory(pid)?.resident;
    Ok(kibibytes as f64 * 1.024)
}

/// The memory of the api for each of [`EVENT_STREAMS`] open streams, in kB.
fn stream_kb(api: &Service, port: u16) -> Result<f64> {
    let before = resident_kb(api)?;
    let mut open = Vec::with_capacity(EVENT_STREAMS);
    for _ in 0..EVENT_STREAMS {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut head = [0; 512];
        let length = stream.read(&mut head)?;
        ensure!(head[..length].starts_with(b"HTTP/1.1 200"), "a stream was refused");
        open.push(stream);
    }
    Ok((resident_kb(api)? - before) / EVENT_STREAMS as f64)
}
