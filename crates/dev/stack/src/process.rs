//! A child process and its process group: started so that it dies with us, signalled, stopped. Each
//! child leads a group of its own, so that Ctrl-C at the terminal reaches only us, and what is left
//! of the group when its leader ends is killed. Restarting is for [`crate::Service`].

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
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

/// Time to end after the stop signal, before SIGKILL, unless the builder says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// SIGKILL takes effect in less, even amid a write to a slow disk.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The user a child runs as, when it must not be ours. Only root can use it.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) user: &'static str,
    /// Keep the right to pass through folders that the user may not enter.
    pub(crate) dac_override: bool,
}

/// Describes a child process; [`Builder::spawn`] may be called repeatedly.
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

    /// Sets an environment variable; the rest is inherited.
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs([(name, value)])
    }

    pub fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        let owned = |(name, value): (_, _)| (to_owned(name), to_owned(value));
        self.env.extend(variables.into_iter().map(owned));
        self
    }

    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

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

    /// The signal that asks the child to end: TERM unless set.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// The signal that the child gets when we die: INT, TERM or QUIT, KILL unless set. A child with
    /// children of its own needs one that it can catch, to end them too.
    pub fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = signal;
        self
    }

    /// Time between the stop signal and SIGKILL: 10 s unless set.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the process, without waiting until it is ready for anything.
    pub fn spawn(&self) -> Result<Process> {
        let mut command = Command::new(program("setpriv", "util-linux")?);
        // prctl between fork and exec would be unsafe code: setpriv calls it before exec.
        command.args(["--pdeathsig", setpriv_name(self.death_signal)]);
        if let Some(Identity { user, dac_override }) = self.identity {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
            if dac_override {
                command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
            }
        }
        let path = find_program(&self.program.to_string_lossy());
        let path = path.with_context(|| format!("{} is not a program", self.program.display()))?;
        command.arg("--").arg(path).args(&self.args);
        if self.env_clear {
            command.env_clear();
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let output = &self.output;
        command.stdin(Stdio::null()).stdout(output.stdio()).stderr(output.stdio()).process_group(0);

        let mut child = spawn(command).with_context(|| format!("starting {}", self.name))?;
        let log = Log::default();
        child.stdout.take().into_iter().for_each(|pipe| log.follow(pipe, output));
        child.stderr.take().into_iter().for_each(|pipe| log.follow(pipe, output));
        Ok(Process { builder: self.clone(), child, log, status: None })
    }

    /// Runs the command to its end and returns its output. After `timeout` it is stopped.
    pub fn run(&self, timeout: Duration) -> Result<String> {
        let mut process = self.spawn()?;
        match process.wait(timeout)? {
            Some(status) if status.success() => Ok(process.log()),
            Some(status) => bail!("`{self}` failed ({status}):\n{}", process.tail()),
            None => {
                process.stop()?;
                bail!("`{self}` had not ended after {timeout:?}:\n{}", process.tail())
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

fn to_owned(text: impl AsRef<OsStr>) -> OsString {
    text.as_ref().to_owned()
}

/// setpriv knows signals by name only.
fn setpriv_name(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "INT",
        Signal::TERM => "TERM",
        Signal::QUIT => "QUIT",
        _ => "KILL",
    }
}

/// Starts `command` on a thread that lives as long as this process. Linux sends the parent-death
/// signal when the *thread* that forked ends: a test's thread ends with its test, and a child that
/// several tests share would die with the first.
fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<Sender<Request>> = LazyLock::new(|| {
        let (requests, inbox) = channel::<Request>();
        thread::spawn(move || {
            // The static sender is never dropped, so this loop never ends.
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        requests
    });
    let gone = || io::Error::other("the thread that starts processes has ended");
    let (reply, child) = channel();
    SPAWNER.send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// A running (or ended) child process. Dropping it stops it.
pub struct Process {
    builder: Builder,
    child: Child,
    log: Log,
    status: Option<ExitStatus>,
}

impl Process {
    /// Describes a process: `name` is what messages call it, `program` a path or a name in `PATH`.
    pub fn builder(name: impl Into<String>, program: impl Into<PathBuf>) -> Builder {
        Builder {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_clear: false,
            dir: None,
            identity: None,
            output: Output::Kept,
            stop_signal: Signal::TERM,
            death_signal: Signal::KILL,
            stop_timeout: STOP_TIMEOUT,
        }
    }

    /// Its process id, which is also its group's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its output so far (the last MiB).
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub fn tail(&self) -> String {
        self.log.tail(TAIL_LINES)
    }

    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() && self.has_ended()? {
            self.reap()?;
        }
        Ok(self.status)
    }

    /// Sends a signal to the process itself, not to its group; does nothing when it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        kill_process(self.id(), signal).with_context(|| format!("signalling {}", self.builder.name))
    }

    /// Sends the stop signal, and SIGKILL when it has not ended within the stop timeout.
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

    /// Kills it and its group by SIGKILL and waits until it has ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if self.status.is_none() {
            self.kill_group();
        }
        let what = format!("{} has ended", self.builder.name);
        self.wait(KILL_TIMEOUT)?.with_context(|| timed_out(&what, KILL_TIMEOUT))
    }

    /// Waits at most `timeout` for it to end by itself; `None` when it still runs then.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<ExitStatus>> {
        poll(timeout, || self.try_wait().transpose()).transpose()
    }

    /// Without reaping: the group's number stays reserved until the rest of the group is dead.
    fn has_ended(&self) -> Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.id()), options).context("waiting for a child")?.is_some())
    }

    /// The leader has ended: kills the rest of its group, and waits for the last lines of output.
    fn reap(&mut self) -> Result<()> {
        self.kill_group();
        let status = self.child.wait().context("waiting for a child")?;
        self.log.wait_complete(Duration::from_secs(1));
        self.status = Some(status);
        Ok(())
    }

    fn kill_group(&self) {
        // Fails only when the group is empty, or when sudo changed the child's user.
        let _ = kill_process_group(self.id(), Signal::KILL);
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A failure has no caller to return to; SIGKILL that comes late still comes.
        let _ = self.stop();
    }
}
