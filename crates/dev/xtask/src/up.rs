//! `up`, `down` and `status`: one system a checkout. `up` looks at the port and the lock first, because the set-up
//! can take minutes; then sets up and builds, side by side where one does not need the other; then supervises,
//! here or (`--detach`) in a process of its own.

use std::{
    env,
    fs::{self, File},
    net::{Ipv6Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use stack::{Error, Port, answers, wait_until};

use crate::{
    artifacts::{self, Profile},
    interrupt, packages,
    progress::{Cancelled, Steps},
    services::Plan,
    state::{self, Lock, State},
    supervise, tools,
    workspace::Workspace,
};

/// How long `down` waits: longer than stopping every part in turn takes, when each needs its whole grace.
const DOWN: Duration = Duration::from_secs(60);

/// How long `--detach` waits for all parts to be healthy; each has its own, shorter bound.
const DETACH: Duration = Duration::from_secs(180);

/// How long `--detach` waits for another `up` that is still building.
const OTHER: Duration = Duration::from_secs(30 * 60);

/// How long the edge of an `up` that was killed may hold its port.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Bytes of the log of `--detach` beyond which it begins anew; the part before is kept once.
const LOG: u64 = 16 << 20;

/// Lines of the log shown when a detached start fails.
const TAIL: usize = 30;

/// The options of `up`.
#[derive(Args)]
pub(crate) struct Up {
    /// The port of the page
    #[arg(long, default_value_t = 3050, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// How many workers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Return when every service is healthy and leave them running; `down` stops them
    #[arg(long)]
    detach: bool,
    /// Run server and worker as optimised as in production; building them takes twice as long
    #[arg(long)]
    release: bool,
    /// The part of `--detach` that stays
    #[arg(long, hide = true)]
    supervise: bool,
    /// What the other part of `--detach` found: the `up` before was killed
    #[arg(long, hide = true)]
    after_a_kill: bool,
}

impl Up {
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let Some(mut lock) = Lock::take(workspace)? else {
            return self.already(workspace);
        };
        lock.after_a_kill |= self.after_a_kill;
        let port = self.reserve(lock.after_a_kill)?;
        lock.write(&State { pid: std::process::id(), port: self.port, ready: false, services: vec![] })?;

        let binaries =
            if self.supervise { self.profile().dir(workspace) } else { set_up(workspace, self.profile())? };
        if self.detach && !self.supervise {
            let after_a_kill = lock.after_a_kill;
            drop((lock, port));
            return self.detach(workspace, after_a_kill);
        }
        let plan = Plan { workspace, binaries: &binaries, port: &port, workers: self.workers.into() };
        let tick = || {
            if self.supervise {
                bound_log(&log(workspace));
            }
        };
        supervise::run(&plan, &lock, || announce(self.port, "Ctrl-C stops everything."), tick)
    }

    fn profile(&self) -> Profile {
        if self.release { Profile::Release } else { Profile::Debug }
    }

    fn already(&self, workspace: &Workspace) -> Result<()> {
        let read = || state::read(workspace)?.context("the other `up` has just ended: try again");
        let mut running = read()?;
        let address = running.address();
        if running.port != self.port {
            bail!("it runs already, at {address}: `cargo xtask down` stops it");
        }
        if self.detach && !running.ready {
            println!("It is being started by process {}: waiting for it.", running.pid);
            wait_until("the other `up` is ready", OTHER, || match read() {
                Ok(state) => {
                    running = state;
                    running.ready || interrupt::requested()
                }
                Err(_) => true,
            })?;
            interrupt::check()?;
            running = read()?;
        }
        println!("{} at {address}", if running.ready { "It runs already," } else { "It is being started," });
        Ok(())
    }

    fn reserve(&self, after_a_kill: bool) -> Result<Port> {
        let patience = if after_a_kill { AFTERMATH } else { Duration::ZERO };
        let mut reserved = self.try_reserve();
        let _ = wait_until("the port is free", patience, || {
            if reserved.is_err() {
                reserved = self.try_reserve();
            }
            reserved.is_ok()
        });
        reserved
    }

    fn try_reserve(&self) -> Result<Port> {
        let taken = |port: u16| {
            let other = port.checked_add(1).unwrap_or(3050);
            anyhow!("another process uses port {port}; choose another one: cargo xtask up --port {other}")
        };
        // A server that listens on every address, or only on IPv6's localhost, holds the port as well.
        let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, self.port)).err();
        if ipv6.is_some_and(|e| e.kind() == std::io::ErrorKind::AddrInUse) {
            return Err(taken(self.port));
        }
        Port::exactly(self.port).map_err(|error| match error {
            Error::PortTaken { port } => taken(port),
            other => other.into(),
        })
    }

    fn detach(&self, workspace: &Workspace, after_a_kill: bool) -> Result<()> {
        interrupt::check()?;
        let path = log(workspace);
        let _ = fs::remove_file(&path);
        // Appending, so that what comes after it was emptied stands at its beginning.
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("creating {}", path.display()))?;
        // A session of its own: closing this terminal is no longer its business.
        let mut child = Command::new("setsid")
            .arg(env::current_exe().context("finding this program")?)
            .args(["up", "--supervise", "--port", &self.port.to_string()])
            .args(["--workers", &self.workers.to_string()])
            .args(self.release.then_some("--release"))
            .args(after_a_kill.then_some("--after-a-kill"))
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting setsid (Debian package: util-linux)")?;
        let mut ended = None;
        let waited = wait_until("every service is healthy", DETACH, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || interrupt::requested() || is_ready(workspace, &child)
        });
        if ended.is_none() && waited.is_ok() && !interrupt::requested() {
            announce(self.port, &format!("cargo xtask down stops it; its log: {}", path.display()));
            return Ok(());
        }
        if ended.is_none() {
            signal(child.id(), Signal::TERM)?;
            child.wait()?;
        }
        interrupt::check()?;
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        bail!("it could not be started:\n{tail}\n(all of it: {})", path.display())
    }
}

fn is_ready(workspace: &Workspace, child: &Child) -> bool {
    let state = state::read(workspace);
    state.is_ok_and(|state| state.is_some_and(|state| state.ready && state.pid == child.id()))
}

/// Builds the page, with the tools for it.
pub(crate) fn client(workspace: &Workspace) -> Result<()> {
    let steps = Steps::new(workspace);
    let tools = steps.run("tools for the page", |step| tools::ensure(step, workspace))?;
    steps.run("the page", |step| artifacts::page(step, workspace, &tools))
}

/// Installs what is missing and builds; returns the folder of the binaries.
fn set_up(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    // What a person has to do first is said before minutes of building.
    packages::check(packages::UP)?;
    let steps = Steps::new(workspace);
    let page = || {
        if artifacts::page_is_fresh(workspace)? {
            return Ok(());
        }
        let tools = steps.run("tools for the page", |step| tools::ensure(step, workspace))?;
        steps.run("the page", |step| artifacts::page(step, workspace, &tools))
    };
    let binaries = || steps.run("server and worker", |step| artifacts::binaries(step, workspace, profile));
    let outcomes = thread::scope(|scope| {
        let started: [thread::ScopedJoinHandle<'_, Result<()>>; 3] = [
            scope.spawn(|| or_cancel(&steps, packages::ensure(&steps, packages::UP))),
            scope.spawn(|| or_cancel(&steps, page())),
            scope.spawn(|| or_cancel(&steps, binaries().map(drop))),
        ];
        started.map(join)
    });
    // The one that failed, before those that were stopped for it.
    let mut errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(anyhow::Error::is::<Cancelled>);
    errors.into_iter().next().map_or_else(|| Ok(profile.dir(workspace)), Err)
}

/// A step that fails ends the others: nobody wants to wait minutes for what is lost already.
fn or_cancel(steps: &Steps, outcome: Result<()>) -> Result<()> {
    if outcome.is_err() {
        steps.cancel();
    }
    outcome
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(anyhow!("a step panicked")))
}

/// Says where the page is, apart from all else.
fn announce(port: u16, hint: &str) {
    println!("\n    The Fibonacci calculator is at http://localhost:{port}\n    {hint}\n");
}

/// Stops what `up` runs.
pub(crate) fn down(workspace: &Workspace) -> Result<()> {
    let Some(state) = state::read(workspace)? else {
        println!("Nothing is running.");
        return Ok(());
    };
    signal(state.pid, Signal::TERM)?;
    let gone = || matches!(Lock::is_free(workspace), Ok(true));
    if wait_until("it is stopped", DOWN, gone).is_err() {
        // Its parts die with it.
        signal(state.pid, Signal::KILL)?;
        wait_until("it is gone", DOWN, gone)?;
    }
    println!("Stopped. The data is kept in {}.", workspace.data().display());
    Ok(())
}

/// Shows what runs.
pub(crate) fn status(workspace: &Workspace) -> Result<()> {
    let Some(state) = state::read(workspace)? else {
        println!("Nothing is running. `cargo xtask up` starts it.");
        return Ok(());
    };
    let phase = if state.ready { "running" } else { "being set up" };
    println!("{phase} at {} (process {})", state.address(), state.pid);
    let mut ill = Vec::new();
    for service in &state.services {
        let (pid, health) = match service.pid {
            None => ("-".to_owned(), "ended"),
            Some(pid) if answers(&service.health) => (pid.to_string(), "healthy"),
            Some(pid) => (pid.to_string(), "unhealthy"),
        };
        if health != "healthy" {
            ill.push(service.name.as_str());
        }
        println!("  {:<10} {health:<9} {pid:>8}  {}", service.name, service.address);
    }
    if !ill.is_empty() {
        bail!("not healthy: {}", ill.join(", "));
    }
    Ok(())
}

/// The log of `--detach`.
fn log(workspace: &Workspace) -> PathBuf {
    workspace.data().join("up.log")
}

/// Begins the log anew when it has become too long. What is written in between is lost, and nobody misses it.
fn bound_log(path: &Path) {
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG) {
        // A full disk is no reason to end what runs.
        let _ = fs::copy(path, path.with_extension("log.old"));
        let _ = File::options().write(true).open(path).and_then(|log| log.set_len(0));
    }
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id out of range")?;
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(e) => Err(e).context("signalling `up`"),
    }
}
