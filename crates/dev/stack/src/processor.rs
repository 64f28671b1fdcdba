//! How much of the processor a process has used, for measurements beside the clock. Linux's `/proc` is asked.
//!
//! It says nothing of memory, which is in `memory`, nor of children that still run.

use std::{fs, time::Duration};

use crate::{Error, Result};

/// In which `/proc` counts, whatever the kernel's own clock is.
const TICKS_A_SECOND: u32 = 100;

/// The processor time of all threads the process has had, and of its children that have ended, in their own code and in the
/// kernel's for them.
///
/// # Errors
/// [`Error::Io`] when there is no such process.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(Error::io(format!("reading {path}")))?;
    // The name, in parentheses, may contain anything; user and system time are the 12th and 13th field after it, and then come
    // those of children.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(4).filter_map(|ticks| ticks.parse().ok()).collect();
    if ticks.len() < 4 {
        return Err(Error::io(format!("the times in {path}"))(std::io::ErrorKind::InvalidData.into()));
    }
    Ok(Duration::from_secs(ticks.iter().sum()) / TICKS_A_SECOND)
}
