//! One child process and its whole group: started so that it dies with us, watched, signalled, stopped.
//!
//! Each child leads a process group of its own, so that Ctrl-C at the terminal reaches only us and we decide the
//! order of stopping; and when the leader ends, what is left of its group is killed. Nothing here restarts
//! anything (see `service`), and nothing knows what the child is.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::{
    Error, Output, Result, keeper,
    output::Log,
    programs::{find_program, program},
    wait::POLL,
};

/// Lines of a child's output that an error shows.
const TAIL: usize = 20;

/// How long a polite stop may take before -9, unless the builder says otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// What SIGKILL needs, generously: a process in the middle of a write to a slow disk.
const DEATH: Duration = Duration::from_secs(5);

/// The user a child runs as, when it must not be ours. Only root can use it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The user's group, by number.
    pub group: u32,
    /// Keep the right to pass through folders that the user may not enter.
    pub dac_override: bool,
}

/// A child process to be; [`Builder::spawn`] starts it and may be called again and again.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    identity: Option<Identity>,
    output: Output,
    stop_signal: Signal,
    death_signal: Signal,
    grace: Duration,
}

impl Builder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment; the rest is inherited.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes a variable from the inherited environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Runs the child as another user.
    #[must_use]
    pub fn identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Says what becomes of the child's output; it is kept otherwise.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// The signal that asks the child to end: TERM unless set.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// The signal the child gets when we die ourselves: INT, TERM or QUIT, KILL unless set. A child with children
    /// of its own needs one that it can catch, to take them along.
    #[must_use]
    pub fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = signal;
        self
    }

    /// How long a polite stop may take before -9: 10 s unless set.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The name given to [`Process::builder`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the process. It is not yet ready for anything when this returns.
    ///
    /// # Errors
    /// [`Error::MissingProgram`] or [`Error::Io`].
    pub fn spawn(&self) -> Result<Process> {
        let mut command = Command::new(program("setpriv", "util-linux")?);
        // No unsafe code here, so no prctl between fork and exec: setpriv does it, then becomes the program.
        command.args(["--pdeathsig", setpriv_name(self.death_signal)]);
        if let Some(Identity { user, group, dac_override }) = &self.identity {
            command.args(["--reuid", user, "--regid", &group.to_string(), "--init-groups"]);
            if *dac_override {
                command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
            }
        }
        let path = find_program(&self.program.to_string_lossy()).ok_or_else(|| Error::Io {
            what: format!("starting {}", self.program.display()),
            source: io::ErrorKind::NotFound.into(),
        })?;
        command.arg("--").arg(path).args(&self.args);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let pipe = self.output.direct().unwrap_or(Stdio::piped);
        command.stdin(Stdio::null()).stdout(pipe()).stderr(pipe()).process_group(0);

        let mut child = keeper::spawn(command).map_err(Error::io(format!("starting {}", self.name)))?;
        let log = Log::default();
        if let Some(pipe) = child.stdout.take() {
            log.follow(pipe, &self.output);
        }
        if let Some(pipe) = child.stderr.take() {
            log.follow(pipe, &self.output);
        }
        Ok(Process { builder: self.clone(), child, log, status: None })
    }

    /// Runs the command to its end and returns what it wrote.
    ///
    /// # Errors
    /// [`Error::Failed`] when it ends with anything but 0, [`Error::NotReady`] when it is not done within `bound`
    /// (it is stopped then).
    pub fn run(&self, bound: Duration) -> Result<String> {
        let mut process = self.spawn()?;
        let deadline = Instant::now() + bound;
        while Instant::now() < deadline {
            if let Some(status) = process.try_wait()? {
                return if status.success() {
                    Ok(process.log())
                } else {
                    Err(Error::Failed { command: self.to_string(), status, log: process.tail() })
                };
            }
            thread::sleep(POLL);
        }
        process.stop()?;
        Err(Error::NotReady { name: self.to_string(), bound, log: process.tail() })
    }
}

/// setpriv knows signals by name only. A child that is to catch another one at our death has no reason to.
fn setpriv_name(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "INT",
        Signal::TERM => "TERM",
        Signal::QUIT => "QUIT",
        _ => "KILL",
    }
}

impl std::fmt::Display for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.program.file_name().unwrap_or(self.program.as_os_str());
        write!(f, "{}", Path::new(program).display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// A running (or ended) child process. Dropping it stops it.
#[derive(Debug)]
pub struct Process {
    builder: Builder,
    child: Child,
    log: Log,
    status: Option<ExitStatus>,
}

impl Process {
    /// Describes a process: `name` is what messages call it, `program` a path or a name to look up in `PATH`.
    pub fn builder(name: impl Into<String>, program: impl Into<PathBuf>) -> Builder {
        Builder {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            identity: None,
            output: Output::kept(),
            stop_signal: Signal::TERM,
            death_signal: Signal::KILL,
            grace: GRACE,
        }
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.builder.name
    }

    /// Its process id, which is also its group's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far (the last MiB).
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The last 20 lines it wrote.
    #[must_use]
    pub fn tail(&self) -> String {
        self.log.tail(TAIL)
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not let us look.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() && self.has_ended()? {
            self.settle()?;
        }
        Ok(self.status)
    }

    /// Sends a signal to the process itself, not to its group. Sending to one that has ended does nothing.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not ours to signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        kill_process(self.id(), signal).map_err(|e| self.io("signalling")(e.into()))
    }

    /// Asks it to end, waits for the builder's grace, then kills it. Returns how it ended.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not ours to signal, [`Error::Timeout`] when not even -9 ends it.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        self.signal(self.builder.stop_signal)?;
        // A stopped process (SIGSTOP) cannot end politely until it is continued.
        self.signal(Signal::CONT)?;
        match self.wait(self.builder.grace)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }

    /// Kills it and its group with -9 and waits until it is gone.
    ///
    /// # Errors
    /// As [`Process::stop`].
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if self.status.is_none() {
            self.kill_group();
        }
        let status = self.wait(DEATH)?;
        status.ok_or_else(|| Error::Timeout { what: format!("{} is gone", self.builder.name), bound: DEATH })
    }

    /// Waits at most `bound` for it to end by itself; `None` when it still runs then.
    ///
    /// # Errors
    /// As [`Process::try_wait`].
    pub fn wait(&mut self, bound: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + bound;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Looks without reaping: the group's number stays ours until what is left of the group is dead.
    fn has_ended(&self) -> Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.id()), options).map_err(|e| self.io("waiting for")(e.into()))?;
        Ok(status.is_some())
    }

    /// The leader has ended: kill the rest of its group, reap it, and let its last lines arrive.
    fn settle(&mut self) -> Result<()> {
        self.kill_group();
        let status = self.child.wait().map_err(self.io("waiting for"))?;
        self.log.wait_complete(Duration::from_secs(1));
        self.status = Some(status);
        Ok(())
    }

    fn kill_group(&self) {
        // Fails only when nobody is left, or when sudo made the child somebody else's.
        let _ = kill_process_group(self.id(), Signal::KILL);
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn io(&self, what: &str) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io(format!("{what} {}", self.builder.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to be told; and who dies by SIGKILL later dies anyway.
        let _ = self.stop();
    }
}
