//! A long-running process with a readiness check, which can be stopped, killed and started again
//! with the same command. Postgres, Redis, nginx and our own binaries are services. The caller
//! decides when to restart one.

use std::fmt;
use std::ops::Deref;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::wait::{poll, timed_out};
use crate::{Builder, Port, Process, Signal, descendants, output::lock, send_signal};

/// How long a start that fails for a temporary reason is retried; see [`Service::retry_if`].
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// A process that can be restarted. Dropping it stops it.
pub struct Service {
    builder: Builder,
    ready_timeout: Duration,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    retry_if: fn(&str) -> bool,
    process: Mutex<Option<Process>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.builder)
    }
}

impl Service {
    /// Describes a service. `ready` must become true within `ready_timeout` of a start.
    pub fn new(
        builder: Builder,
        ready_timeout: Duration,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            builder,
            ready_timeout,
            ready: Box::new(ready),
            retry_if: |_| false,
            process: Mutex::default(),
        }
    }

    /// Retries a start if the process ends early and `is_transient` is true of its last lines.
    pub(crate) fn retry_if(self, is_transient: fn(&str) -> bool) -> Self {
        Self { retry_if: is_transient, ..self }
    }

    /// Starts the service unless it runs, and waits until it is ready. Stops it if it does not
    /// become ready.
    pub fn start(&self) -> Result<()> {
        self.launch()?;
        let outcome = self.wait_ready();
        if outcome.is_err() {
            self.stop()?;
        }
        outcome
    }

    /// Starts the service unless it runs, without waiting; see [`Service::wait_ready`].
    pub fn launch(&self) -> Result<()> {
        let mut process = lock(&self.process);
        let runs = process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)));
        if !runs {
            *process = Some(self.builder.spawn()?);
        }
        Ok(())
    }

    /// Waits until the service is ready. Does not stop it if it does not become ready.
    pub fn wait_ready(&self) -> Result<()> {
        self.wait_ready_unless(&|| false)
    }

    /// Like [`Service::wait_ready`], but fails as soon as `interrupted` is true.
    pub(crate) fn wait_ready_unless(&self, interrupted: &dyn Fn() -> bool) -> Result<()> {
        let (name, timeout, started) = (self.name(), self.ready_timeout, Instant::now());
        let outcome = poll(timeout, || {
            if interrupted() {
                return Some(Err(anyhow!("interrupted")));
            }
            if let Some(status) = self.exited() {
                let log = self.tail();
                if (self.retry_if)(&log) && started.elapsed() < RETRY_TIMEOUT {
                    thread::sleep(RETRY_INTERVAL);
                    return self.launch().err().map(Err);
                }
                return Some(Err(anyhow!("{name} ended early ({status}); its last lines:\n{log}")));
            }
            self.is_ready().then_some(Ok(()))
        });
        let late =
            || anyhow!("{name} was not ready within {timeout:?}; its last lines:\n{}", self.tail());
        outcome.unwrap_or_else(|| Err(late()))
    }

    pub fn is_ready(&self) -> bool {
        (self.ready)()
    }

    /// The status of a process that ended by itself; `None` if it runs, was never started, or was
    /// stopped.
    pub fn exited(&self) -> Option<ExitStatus> {
        lock(&self.process).as_mut().and_then(|process| process.try_wait().ok().flatten())
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        lock(&self.process).as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Suspends it and its descendants with SIGSTOP: it keeps its connections but does not respond
    /// until [`Service::thaw`].
    pub fn freeze(&self) -> Result<()> {
        // The parent first, so that it cannot start more children.
        self.signal(Signal::STOP)?;
        self.signal_descendants(Signal::STOP)
    }

    pub fn thaw(&self) -> Result<()> {
        self.signal_descendants(Signal::CONT)?;
        self.signal(Signal::CONT)
    }

    fn signal_descendants(&self, signal: Signal) -> Result<()> {
        let pids = self.pid().map(descendants).unwrap_or_default();
        pids.into_iter().try_for_each(|pid| send_signal(pid, signal))
    }

    /// Stops it as [`Process::stop`] does; `None` if it was never started or is stopped already.
    pub fn stop(&self) -> Result<Option<ExitStatus>> {
        let process = lock(&self.process).take();
        process.map(|mut process| process.stop()).transpose()
    }

    pub fn kill(&self) -> Result<()> {
        let process = lock(&self.process).take();
        process.map_or(Ok(()), |mut process| process.kill().map(drop))
    }

    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    pub fn name(&self) -> &str {
        self.builder.name()
    }

    /// Its process id; `None` if it was never started or was stopped.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.process).as_ref().map(Process::pid)
    }

    pub fn log(&self) -> String {
        lock(&self.process).as_ref().map(Process::log).unwrap_or_default()
    }

    /// Waits until the log contains `text`, and returns the log. A log line comes through a pipe,
    /// so it may arrive later than the effect that it reports.
    pub fn wait_for_log(&self, text: &str, timeout: Duration) -> Result<String> {
        let log_with_text = || Some(self.log()).filter(|log| log.contains(text));
        let logged = poll(timeout, log_with_text);
        logged.with_context(|| timed_out(&format!("{} logs \"{text}\"", self.name()), timeout))
    }

    /// The last 20 lines of the log.
    pub fn tail(&self) -> String {
        lock(&self.process).as_ref().map(Process::tail).unwrap_or_default()
    }
}

/// A service that listens for HTTP on a port of 127.0.0.1.
#[derive(Debug)]
pub struct HttpService {
    service: Service,
    port: Port,
}

impl HttpService {
    /// Like [`Service::new`]; `ready` gets the URL.
    pub fn new(
        builder: Builder,
        port: Port,
        ready_timeout: Duration,
        ready: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let url = url(&port);
        Self { service: Service::new(builder, ready_timeout, move || ready(&url)), port }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        url(&self.port)
    }
}

fn url(port: &Port) -> String {
    format!("http://127.0.0.1:{}", port.number())
}

impl Deref for HttpService {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
