//! Reads the state of any process from `/proc`, and sends signals to it, by its id.

use std::collections::BTreeMap;
use std::iter::successors;

use anyhow::{Context, Result};
use procfs::process::{ProcState, Process, all_processes};
use procfs::{ProcError, ProcResult};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Memory of a process in KiB, from `/proc/PID/status`.
#[derive(Clone, Copy, Debug)]
pub struct ProcessMemory {
    /// Resident memory (`VmRSS`).
    pub resident: u64,
    /// The highest resident memory so far (`VmHWM`).
    pub peak: u64,
    /// Resident memory that no file backs (`RssAnon`).
    pub anonymous: u64,
}

pub fn memory(pid: u32) -> Result<ProcessMemory> {
    let status = read(pid, |process| process.status())?;
    let field = |value: Option<u64>| value.unwrap_or_default();
    Ok(ProcessMemory {
        resident: field(status.vmrss),
        peak: field(status.vmhwm),
        anonymous: field(status.rssanon),
    })
}

/// The proportional set size (`Pss`) of a process, in bytes. It divides a shared page among the
/// processes that share it. The sum over all processes of a container counts each page once, as the
/// container's memory limit does.
pub fn proportional_memory(pid: u32) -> Result<u64> {
    let rollup = read(pid, |process| process.smaps_rollup())?.memory_map_rollup;
    Ok(rollup.iter().filter_map(|map| map.extension.map.get("Pss")).sum())
}

/// Whether the process exists and is no zombie.
pub fn is_running(pid: u32) -> bool {
    read(pid, |process| process.stat()?.state()).is_ok_and(|state| state != ProcState::Zombie)
}

/// The running children of `ancestor`, their children, and so on.
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let stats =
        all_processes().into_iter().flatten().filter_map(|process| process.ok()?.stat().ok());
    let running = stats.filter(|stat| stat.state != 'Z');
    let parents: BTreeMap<u32, u32> = running
        .filter_map(|stat| Some((stat.pid.try_into().ok()?, stat.ppid.try_into().ok()?)))
        .collect();
    let is_below = |pid: &u32| {
        successors(parents.get(pid), |parent| parents.get(*parent)).any(|up| *up == ancestor)
    };
    parents.keys().copied().filter(is_below).collect()
}

/// Sends a signal to a process. Does nothing if the process no longer exists.
pub fn send_signal(pid: u32, signal: Signal) -> Result<()> {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
    match target.and_then(|target| kill_process(target, signal)) {
        Err(Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("signalling process {pid}")),
    }
}

fn read<T>(pid: u32, part: impl FnOnce(Process) -> ProcResult<T>) -> Result<T> {
    let process = i32::try_from(pid).map_err(|_| ProcError::NotFound(None)).and_then(Process::new);
    process.and_then(part).with_context(|| format!("reading /proc/{pid}"))
}
