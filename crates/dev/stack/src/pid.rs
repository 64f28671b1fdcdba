//! Any process of this host, by its id: what `/proc` says of it, and signals to it.

use std::collections::BTreeMap;
use std::iter::successors;

use anyhow::{Context, Result};
use procfs::process::{ProcState, Process, all_processes};
use procfs::{ProcError, ProcResult};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Memory of a process, in kB (`/proc/PID/status`).
#[derive(Clone, Copy, Debug)]
pub struct ProcessMemory {
    /// Resident now (`VmRSS`).
    pub resident: u64,
    /// The most that was ever resident (`VmHWM`).
    pub peak: u64,
    /// The part of the resident memory that belongs to no file (`RssAnon`).
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

/// Memory of a process in bytes, where a page that several processes share counts once in all of
/// them together (`Pss`), as it does for their container.
pub fn proportional_memory(pid: u32) -> Result<u64> {
    let rollup = read(pid, |process| process.smaps_rollup())?.memory_map_rollup;
    Ok(rollup.iter().filter_map(|map| map.extension.map.get("Pss")).sum())
}

/// Whether a process runs; a zombie does not.
pub fn is_running(pid: u32) -> bool {
    read(pid, |process| process.stat()?.state()).is_ok_and(|state| state != ProcState::Zombie)
}

/// The running processes below `ancestor`, however deep.
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

/// Sends a signal to a process; does nothing when there is no such process any more.
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
