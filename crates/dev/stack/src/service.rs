//! A process that is meant to stay: it has a moment when it is ready, it can be killed and started again with the
//! same command, and it is shared by reference. Postgres, Redis and nginx are built on it, and so are the tests'
//! and `up`'s runs of our own binaries. When to start it again is the caller's decision.

use std::{
    fmt,
    process::ExitStatus,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, kill_process};

use crate::{Builder, Error, Process, Result, Signal, descendants, output::lock, wait::POLL};

type Ready = Arc<dyn Fn() -> bool + Send + Sync>;

/// A process that can be started again. Dropping it stops it.
pub struct Service {
    builder: Builder,
    bound: Duration,
    ready: Ready,
    process: Mutex<Option<Process>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("builder", &self.builder).finish_non_exhaustive()
    }
}

impl Service {
    /// Describes a service without starting it: it counts as ready when `ready` says so, which must be within
    /// `bound` of its start.
    pub fn new(builder: Builder, bound: Duration, ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { builder, bound, ready: Arc::new(ready), process: Mutex::new(None) }
    }

    /// Starts the service and waits until it is ready. Does nothing to one that runs.
    ///
    /// # Errors
    /// [`Error::EndedEarly`] or [`Error::NotReady`] with the service's last lines; it is stopped then.
    pub fn start(&self) -> Result<()> {
        self.launch()?;
        let outcome = self.wait_ready();
        if outcome.is_err() {
            self.stop()?;
        }
        outcome
    }

    /// Starts the service without waiting; see [`Service::wait_ready`].
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    pub fn launch(&self) -> Result<()> {
        let mut process = lock(&self.process);
        let runs = process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)));
        if !runs {
            *process = Some(self.builder.spawn()?);
        }
        Ok(())
    }

    /// Waits until the service is ready, within its bound.
    ///
    /// # Errors
    /// As [`Service::start`], but it is left running.
    pub fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + self.bound;
        loop {
            if let Some(status) = self.exited() {
                return Err(Error::EndedEarly { name: self.name().to_owned(), status, log: self.tail() });
            }
            if self.is_ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady {
                    name: self.name().to_owned(),
                    bound: self.bound,
                    log: self.tail(),
                });
            }
            thread::sleep(POLL);
        }
    }

    /// Whether the service is ready at this moment.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        (self.ready)()
    }

    /// How it ended; `None` while it runs, and when it was never started or was stopped by us.
    pub fn exited(&self) -> Option<ExitStatus> {
        lock(&self.process).as_mut().and_then(|process| process.try_wait().ok().flatten())
    }

    /// Sends a signal to the process, if it runs.
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn signal(&self, signal: Signal) -> Result<()> {
        lock(&self.process).as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Stops it in its tracks with all its children, as a partition or an overloaded machine would: it keeps its
    /// connections and answers nothing until [`Service::thaw`].
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn freeze(&self) -> Result<()> {
        // The parent first: it cannot start others then.
        self.signal(Signal::STOP)?;
        self.signal_children(Signal::STOP);
        Ok(())
    }

    /// Lets it go on after [`Service::freeze`].
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn thaw(&self) -> Result<()> {
        self.signal_children(Signal::CONT);
        self.signal(Signal::CONT)
    }

    fn signal_children(&self, signal: Signal) {
        for child in self.pid().map(descendants).unwrap_or_default() {
            if let Some(child) = i32::try_from(child).ok().and_then(Pid::from_raw) {
                // One that has ended meanwhile is still enough.
                let _ = kill_process(child, signal);
            }
        }
    }

    /// Stops it politely, then not; returns how it ended, or `None` when it did not run.
    ///
    /// # Errors
    /// As [`Process::stop`].
    pub fn stop(&self) -> Result<Option<ExitStatus>> {
        let process = lock(&self.process).take();
        process.map(|mut process| process.stop()).transpose()
    }

    /// Kills it with -9 and waits until it is gone. [`Service::start`] starts it again.
    ///
    /// # Errors
    /// As [`Process::kill`].
    pub fn kill(&self) -> Result<()> {
        let process = lock(&self.process).take();
        process.map_or(Ok(()), |mut process| process.kill().map(drop))
    }

    /// Stops it if it runs, and starts it again.
    ///
    /// # Errors
    /// As [`Service::stop`] and [`Service::start`].
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.builder.name()
    }

    /// Its process id, or `None` when it was never started or was stopped by us.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        lock(&self.process).as_ref().map(Process::pid)
    }

    /// What the present process wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        lock(&self.process).as_ref().map(Process::log).unwrap_or_default()
    }

    /// The last 20 lines of it.
    #[must_use]
    pub fn tail(&self) -> String {
        lock(&self.process).as_ref().map(Process::tail).unwrap_or_default()
    }
}
