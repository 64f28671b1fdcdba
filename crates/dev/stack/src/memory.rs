//! The memory of a process, as the kernel counts it for a container: what is resident. It reads `/proc`, and says nothing of the
//! memory that the kernel itself takes for the process, such as that of its sockets.
//!
//! What is too much, the tests say.

use std::fs;

use crate::{Error, Result};

/// Memory of the process in kB: what it has now (`VmRSS`), or had at most (`VmHWM`).
///
/// # Errors
/// [`Error::Io`] when there is no such process, or no such field.
pub fn memory(pid: u32, field: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(Error::io(format!("reading {path}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.ok_or_else(|| Error::io(format!("{field} in {path}"))(std::io::ErrorKind::NotFound.into()))
}
