//! The tree of processes, read from /proc: what a process has started, whatever became of the processes in between.
//!
//! It looks and ends nobody: that is in `process`.

use std::{collections::BTreeMap, fs, path::Path};

/// The running processes below `ancestor`. One that has ended and only waits to be noticed does not count.
#[must_use]
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: BTreeMap<u32, u32> = processes.filter_map(|process| parent(&process.path())).collect();
    let is_below = |pid: &u32| {
        std::iter::successors(parents.get(pid), |parent| parents.get(*parent)).any(|up| *up == ancestor)
    };
    parents.keys().copied().filter(is_below).collect()
}

/// A process and its parent, from `/proc/PID/stat`: `PID (name) state parent …`.
fn parent(process: &Path) -> Option<(u32, u32)> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name may contain anything, parentheses and spaces too.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then_some((pid, fields.next()?.parse().ok()?))
}
