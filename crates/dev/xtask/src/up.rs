//! `up`, `down`, `stop`, `start` and `status`. Each checkout has one system. `up` takes the lock
//! and the port first, because the set-up can take minutes. Then it sets up and builds in parallel.
//! At last it supervises the system, or starts a background process that does (`--detach`).

use std::fs::{self, File};
use std::net::{Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use stack::{
    Port, PortTaken, RequestLimits, Signal, System, SystemOptions, Variables, is_healthy, poll,
    send_signal, wait_until,
};

use crate::artifacts::{self, Profile};
use crate::packages::Confirmation;
use crate::progress::{Cancelled, Steps};
use crate::state::{self, ServiceState, UpLock, UpState};
use crate::terminal::{check_interrupt, interrupted, println};
use crate::workspace::CargoWorkspace;
use crate::{packages, supervise, tools};

/// Time for `up` to stop. With up to five workers, it is enough even if each service needs its
/// whole stop timeout.
const DOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for all services to become healthy. Each of them also has a shorter timeout.
const DETACH_TIMEOUT: Duration = Duration::from_secs(180);

/// Time for another `up`, which may be building, to become ready.
const OTHER_UP_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Time for `up` to stop or start one service.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for the edge of a killed `up` to release its port.
const PORT_RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// A longer log of `--detach` is rotated.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// Lines of the log in the error of a start that failed.
const LOG_TAIL_LINES: usize = 30;

/// The only variables of the shell that server and worker inherit; see `after_help` below.
const INHERITED_VARIABLES: [&str; 2] = ["RUST_LOG", "MAX_INDEX"];

#[derive(Args)]
#[command(after_help = "Server and worker inherit RUST_LOG and MAX_INDEX, and no other variable.")]
pub(crate) struct UpArgs {
    /// Port of the page
    #[arg(long, default_value_t = 3050, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Number of workers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Return once every service is healthy, and leave them running; `down` stops them
    #[arg(long)]
    detach: bool,
    /// Optimise server and worker for production; building them takes twice the time
    #[arg(long)]
    release: bool,
    /// Be the process that `--detach` leaves running
    #[arg(long, hide = true)]
    supervise: bool,
}

impl UpArgs {
    pub(crate) fn run(&self, workspace: &CargoWorkspace, confirmation: Confirmation) -> Result<()> {
        let Some(lock) = UpLock::take(workspace)? else {
            return self.report_running(workspace);
        };
        let port = self.reserve_port(lock.previous_was_killed)?;
        let state =
            UpState { pid: std::process::id(), port: self.port, ready: false, services: vec![] };
        lock.write(&state)?;

        let profile = if self.release { Profile::Release } else { Profile::Debug };
        if !self.supervise {
            set_up(workspace, confirmation, profile)?;
        }
        if self.detach && !self.supervise {
            drop((lock, port));
            return self.detach(workspace);
        }
        let (data, binaries) = (workspace.data(), profile.dir(workspace));
        let system = System::prepare(&workspace.root, &binaries, &data, &self.options(port))?;
        let announce = || announce(self.port, "Ctrl-C stops everything.");
        let tick = || {
            if self.supervise {
                rotate_log(&log(workspace));
            }
        };
        supervise::run(&system, &lock, state, announce, tick)
    }

    fn options(&self, port: Port) -> SystemOptions {
        let env: Variables = INHERITED_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, env::var(name).ok()?)))
            .collect();
        SystemOptions {
            workers: self.workers.into(),
            server_env: env.clone(),
            worker_env: env,
            log_format: "text",
            limits: RequestLimits::PRODUCTION,
            throwaway: false,
            edge_port: Some(port),
            prefer_default_ports: true,
            output: supervise::print_lines_of,
            ..SystemOptions::default()
        }
    }

    /// Prints the address of the other `up`. With `--detach`, waits until it is ready.
    fn report_running(&self, workspace: &CargoWorkspace) -> Result<()> {
        let read = || state::read(workspace)?.context("the other `up` has just ended: try again");
        let mut running = read()?;
        let address = running.address();
        if running.port != self.port {
            bail!("it runs already, at {address}: `cargo xtask down` stops it");
        }
        if self.detach && !running.ready {
            println!("Process {} is starting it: waiting until it is ready.", running.pid);
            wait_until("the other `up` is ready", OTHER_UP_TIMEOUT, || {
                interrupted() || read().map_or(true, |state| state.ready)
            })?;
            check_interrupt()?;
            running = read()?;
        }
        println!(
            "{} at {address}",
            if running.ready { "It runs already," } else { "It is being started," }
        );
        Ok(())
    }

    fn reserve_port(&self, previous_was_killed: bool) -> Result<Port> {
        let timeout = if previous_was_killed { PORT_RELEASE_TIMEOUT } else { Duration::ZERO };
        poll(timeout, || self.try_reserve().ok()).map_or_else(|| self.try_reserve(), Ok)
    }

    fn try_reserve(&self) -> Result<Port> {
        // A server on all addresses, or only on the IPv6 localhost, also uses the port.
        let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, self.port)).err();
        let is_taken = ipv6.is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
        match if is_taken { Err(PortTaken(self.port).into()) } else { Port::exactly(self.port) } {
            Err(error) if error.is::<PortTaken>() => {
                let (port, other) = (self.port, self.port.checked_add(1).unwrap_or(3050));
                bail!(
                    "another process uses port {port}; choose another one: \
                     cargo xtask up --port {other}"
                )
            }
            other => other,
        }
    }

    fn detach(&self, workspace: &CargoWorkspace) -> Result<()> {
        check_interrupt()?;
        let path = log(workspace);
        let _ = fs::remove_file(&path);
        // In append mode, writing continues at the start of a log that was rotated.
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("creating {}", path.display()))?;
        // In a session of its own, it survives the end of this terminal.
        let mut child = Command::new("setsid")
            .arg(env::current_exe().context("finding this program")?)
            .args(["up", "--supervise", "--port", &self.port.to_string()])
            .args(["--workers", &self.workers.to_string()])
            .args(self.release.then_some("--release"))
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting setsid (Debian package: util-linux)")?;
        let is_ready = |pid| {
            let state = state::read(workspace).ok().flatten();
            state.is_some_and(|state| state.ready && state.pid == pid)
        };
        let mut ended = None;
        let waited = wait_until("every service is healthy", DETACH_TIMEOUT, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || interrupted() || is_ready(child.id())
        });
        if ended.is_none() && waited.is_ok() && !interrupted() {
            announce(self.port, &format!("cargo xtask down stops it; its log: {}", path.display()));
            return Ok(());
        }
        if ended.is_none() {
            send_signal(child.id(), Signal::TERM)?;
            child.wait()?;
        }
        check_interrupt()?;
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n");
        bail!("it could not be started:\n{tail}\n(all of it: {})", path.display())
    }
}

pub(crate) fn client(workspace: &CargoWorkspace) -> Result<()> {
    build_page(&Steps::new(workspace), workspace)
}

fn build_page(steps: &Steps, workspace: &CargoWorkspace) -> Result<()> {
    let tools = steps.run("tools for the page", |step| tools::for_page(step, workspace))?;
    steps.run("the page", |step| artifacts::page(step, workspace, &tools))
}

fn set_up(workspace: &CargoWorkspace, confirmation: Confirmation, profile: Profile) -> Result<()> {
    let packages = packages::confirm(packages::UP, confirmation)?;
    let steps = Steps::new(workspace);
    let page = || match artifacts::page_is_fresh(workspace)? {
        true => Ok(()),
        false => build_page(&steps, workspace),
    };
    let binaries =
        || steps.run("server and worker", |step| artifacts::binaries(step, workspace, profile));
    // A step that fails cancels the others, which may take minutes.
    let or_cancel = |outcome: Result<()>| outcome.inspect_err(|_| steps.cancel());
    let outcomes = thread::scope(|scope| {
        let started: [thread::ScopedJoinHandle<'_, Result<()>>; 3] = [
            scope.spawn(|| or_cancel(packages.install(&steps))),
            scope.spawn(|| or_cancel(page())),
            scope.spawn(|| or_cancel(binaries())),
        ];
        started.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a step panicked"))))
    });
    // The error of the step that failed comes before those of the steps that it cancelled.
    let mut errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(anyhow::Error::is::<Cancelled>);
    errors.into_iter().next().map_or(Ok(()), Err)
}

fn announce(port: u16, hint: &str) {
    println!("\n    The Fibonacci calculator is at http://localhost:{port}\n    {hint}\n");
}

pub(crate) fn down(workspace: &CargoWorkspace) -> Result<()> {
    let Some(state) = state::read(workspace)? else {
        println!("Nothing is running.");
        return Ok(());
    };
    send_signal(state.pid, Signal::TERM)?;
    let has_ended = || matches!(UpLock::is_free(workspace), Ok(true));
    if wait_until("`up` has ended", DOWN_TIMEOUT, has_ended).is_err() {
        // Its services die with it.
        send_signal(state.pid, Signal::KILL)?;
        wait_until("`up` has ended", DOWN_TIMEOUT, has_ended)?;
    }
    println!("Stopped. The data is kept in {}.", workspace.data().display());
    Ok(())
}

/// Stops a service of the running `up`, or all of its instances. `up` keeps them stopped until
/// [`start_service`].
pub(crate) fn stop_service(workspace: &CargoWorkspace, name: &str) -> Result<()> {
    for service in find_services(workspace, name)? {
        let marker = state::stop_marker(workspace, &service.name);
        let folder = marker.parent().context("a marker is in a folder")?;
        fs::create_dir_all(folder).context("creating the folder of the markers")?;
        File::create(&marker).context("creating the marker of the service")?;
    }
    wait_for_services(workspace, name, "stopped", |service| service.pid.is_none())?;
    println!("{name} is stopped. `cargo xtask start {name}` starts it again.");
    Ok(())
}

pub(crate) fn start_service(workspace: &CargoWorkspace, name: &str) -> Result<()> {
    for service in find_services(workspace, name)? {
        if let Err(error) = fs::remove_file(state::stop_marker(workspace, &service.name))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).context("removing the marker of the service");
        }
    }
    let is_running = |service: &ServiceState| service.pid.is_some() && is_healthy(&service.health);
    wait_for_services(workspace, name, "healthy", is_running)?;
    println!("{name} is running.");
    Ok(())
}

fn wait_for_services(
    workspace: &CargoWorkspace,
    name: &str,
    goal: &str,
    is_reached: fn(&ServiceState) -> bool,
) -> Result<()> {
    wait_until(&format!("{name} is {goal}"), SERVICE_TIMEOUT, || {
        interrupted()
            || find_services(workspace, name).is_ok_and(|services| services.iter().all(is_reached))
    })?;
    check_interrupt()
}

/// The services of the running system with this name, or all instances of it: `worker` finds
/// `worker-1`, `worker-2`, …
fn find_services(workspace: &CargoWorkspace, name: &str) -> Result<Vec<ServiceState>> {
    let Some(UpState { services, .. }) = state::read(workspace)? else {
        bail!("nothing is running; `cargo xtask up` starts it");
    };
    let is_meant = |service: &ServiceState| {
        let instance = service.name.strip_prefix(name);
        instance.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let (found, others): (Vec<_>, Vec<_>) = services.into_iter().partition(is_meant);
    if found.is_empty() {
        let names: Vec<_> = others.into_iter().map(|service| service.name).collect();
        bail!("there is no service {name}; there are: {}", names.join(", "));
    }
    Ok(found)
}

pub(crate) fn status(workspace: &CargoWorkspace) -> Result<()> {
    let Some(state) = state::read(workspace)? else {
        println!("Nothing is running. `cargo xtask up` starts it.");
        return Ok(());
    };
    let phase = if state.ready { "running" } else { "being set up" };
    println!("{phase} at {} (process {})", state.address(), state.pid);
    let mut unhealthy = Vec::new();
    for service in &state.services {
        let (pid, health) = match service.pid {
            None => ("-".to_owned(), "ended"),
            Some(pid) if is_healthy(&service.health) => (pid.to_string(), "healthy"),
            Some(pid) => (pid.to_string(), "unhealthy"),
        };
        if health != "healthy" {
            unhealthy.push(service.name.as_str());
        }
        println!("  {:<10} {health:<9} {pid:>8}  {}", service.name, service.address);
    }
    if !unhealthy.is_empty() {
        bail!("not healthy: {}", unhealthy.join(", "));
    }
    Ok(())
}

fn log(workspace: &CargoWorkspace) -> PathBuf {
    workspace.data().join("up.log")
}

/// Copies a long log to `up.log.old` and empties it.
fn rotate_log(path: &Path) {
    if fs::metadata(path).is_ok_and(|log| log.len() > MAX_LOG_BYTES) {
        // Ignores errors: a full disk must not end the running system.
        let _ = fs::copy(path, path.with_extension("log.old"));
        let _ = File::options().write(true).open(path).and_then(|log| log.set_len(0));
    }
}
