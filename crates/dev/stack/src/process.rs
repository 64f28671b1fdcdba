//! A child process that ends when this process ends, even if this one is killed. It leads a process
//! group of its own: Ctrl-C in the terminal does not reach it, and when it ends, the rest of its
//! group is killed. [`crate::Service`] adds readiness and restarts.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use crate::Output;
use crate::output::Log;
use crate::programs::{find_program, program};
use crate::wait::{poll, timed_out};

const TAIL_LINES: usize = 20;

const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// SIGKILL takes effect sooner, even during a write to a slow disk.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The user of a child. Only root can run a child as another user.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) user: &'static str,
    /// Keeps `CAP_DAC_OVERRIDE`, so that the child can enter folders that the user may not enter.
    pub(crate) dac_override: bool,
}

/// Describes a child process, which can be spawned several times.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    env_clear: bool,
    dir: Option<PathBuf>,
    identity: Option<Identity>,
    output: Output,
    stop_signal: Signal,
    death_signal: Signal,
    stop_timeout: Duration,
}

impl Builder {
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable. The others are inherited, unless [`Builder::env_clear`] is
    /// called.
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs([(name, value)])
    }

    pub fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        for (name, value) in variables {
            self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        }
        self
    }

    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

    /// Sets the working directory. By default it is inherited.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    pub(crate) fn identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// Sets the signal that asks the child to end: SIGTERM by default.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// Sets the signal that the child gets when this process dies: SIGINT, SIGTERM, SIGQUIT or, by
    /// default, SIGKILL. A child that has to stop its own children needs one that it can catch.
    pub fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = signal;
        self
    }

    /// Sets the time between the stop signal and SIGKILL: 10 s by default.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the process without waiting until it is ready.
    pub fn spawn(&self) -> Result<Process> {
        let mut command = Command::new(program("setpriv", "util-linux")?);
        // Calling prctl between fork and exec needs unsafe code, so setpriv calls it before exec.
        command.args(["--pdeathsig", setpriv_name(self.death_signal)]);
        if let Some(Identity { user, dac_override }) = self.identity {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
            if dac_override {
                command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
            }
        }
        let path = find_program(&self.program.to_string_lossy())
            .with_context(|| format!("program not found: {}", self.program.display()))?;
        command.arg("--").arg(path).args(&self.args);
        if self.env_clear {
            command.env_clear();
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let output = &self.output;
        command.stdin(Stdio::null()).stdout(output.stdio()).stderr(output.stdio()).process_group(0);

        let mut child = spawn(command).with_context(|| format!("starting {}", self.name))?;
        let log = Log::default();
        if let Some(pipe) = child.stdout.take() {
            log.follow(pipe, output);
        }
        if let Some(pipe) = child.stderr.take() {
            log.follow(pipe, output);
        }
        Ok(Process { builder: self.clone(), child, log, status: None })
    }

    /// Runs the process to its end and returns its output. Stops it and fails after `timeout`.
    pub fn run(&self, timeout: Duration) -> Result<String> {
        let mut process = self.spawn()?;
        match process.wait(timeout)? {
            Some(status) if status.success() => Ok(process.log()),
            Some(status) => bail!("`{self}` failed ({status}):\n{}", process.tail()),
            None => {
                process.stop()?;
                bail!("`{self}` did not end within {timeout:?}:\n{}", process.tail())
            }
        }
    }
}

impl std::fmt::Display for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.program.file_name().unwrap_or(self.program.as_os_str());
        write!(f, "{}", Path::new(program).display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// The name of a signal for setpriv, which does not accept numbers.
fn setpriv_name(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "INT",
        Signal::TERM => "TERM",
        Signal::QUIT => "QUIT",
        _ => "KILL",
    }
}

/// Starts `command` from a thread that lives as long as this process. Linux sends the parent-death
/// signal when the *thread* that forked ends. A test's thread ends with its test, so a child that
/// several tests share would die with the first test.
fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Request>> = LazyLock::new(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        thread::spawn(move || {
            // The static sender is never dropped, so this loop never ends.
            for (mut command, reply) in requests {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let spawner_ended = || io::Error::other("the thread that starts processes has ended");
    let (reply, child) = mpsc::channel();
    SPAWNER.send((command, reply)).map_err(|_| spawner_ended())?;
    child.recv().map_err(|_| spawner_ended())?
}

/// A child process, running or ended. Dropping it stops it.
pub struct Process {
    builder: Builder,
    child: Child,
    log: Log,
    status: Option<ExitStatus>,
}

impl Process {
    /// Describes a process. `name` is for messages; [`find_program`] finds `program`.
    pub fn builder(name: impl Into<String>, program: impl Into<PathBuf>) -> Builder {
        Builder {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_clear: false,
            dir: None,
            identity: None,
            output: Output::Captured,
            stop_signal: Signal::TERM,
            death_signal: Signal::KILL,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
        }
    }

    /// The process id, which is also the id of the process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last MiB of its output.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The last 20 lines of its output.
    pub fn tail(&self) -> String {
        self.log.tail(TAIL_LINES)
    }

    /// Returns the exit status if the process has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() && self.has_ended()? {
            self.reap()?;
        }
        Ok(self.status)
    }

    /// Sends a signal to the process, but not to the rest of its group. Does nothing if the process
    /// has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        kill_process(self.rustix_pid(), signal)
            .with_context(|| format!("signalling {}", self.builder.name))
    }

    /// Sends the stop signal, then SIGKILL if the process does not end within the stop timeout.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        self.signal(self.builder.stop_signal)?;
        // A stopped process (SIGSTOP) handles no signal until it is continued.
        self.signal(Signal::CONT)?;
        match self.wait(self.builder.stop_timeout)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }

    /// Kills the process and its group with SIGKILL, and waits until the process has ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if self.status.is_none() {
            self.kill_group();
        }
        let what = format!("{} has ended", self.builder.name);
        self.wait(KILL_TIMEOUT)?.with_context(|| timed_out(&what, KILL_TIMEOUT))
    }

    /// Waits up to `timeout` for the process to end; `None` if it is still running then.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<ExitStatus>> {
        poll(timeout, || self.try_wait().transpose()).transpose()
    }

    /// Does not reap the process, so that the id of its group stays reserved until the rest of the
    /// group is killed.
    fn has_ended(&self) -> Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.rustix_pid()), options)
            .context("waiting for a child")?
            .is_some())
    }

    /// Reaps the ended process, after killing the rest of its group, and waits for the last output.
    fn reap(&mut self) -> Result<()> {
        self.kill_group();
        let status = self.child.wait().context("waiting for a child")?;
        self.log.wait_complete(Duration::from_secs(1));
        self.status = Some(status);
        Ok(())
    }

    fn kill_group(&self) {
        // Fails only if the group is empty, or if the child runs as another user by sudo.
        let _ = kill_process_group(self.rustix_pid(), Signal::KILL);
    }

    fn rustix_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // There is no caller to return an error to.
        let _ = self.stop();
    }
}
