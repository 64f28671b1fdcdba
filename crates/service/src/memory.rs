//! The memory that a service may use, and returning freed memory to the system.
//!
//! glibc keeps freed memory, which is megabytes after each large number. Returning it while there
//! is work would make a large calculation 1.5 times as slow, so this returns it when the service is
//! idle.
//!
//! Another allocator would need no `unsafe` here. We measured jemalloc (one arena, a decay of 0.5
//! s): a request takes a tenth less processor time, but an idle worker has 12 MB instead of 9, and
//! the peak of three values of index 10^8 is 151 MB instead of 113. mimalloc has 20 MB at the
//! start.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "calls functions of glibc")
)]

use std::fs;
use std::time::Duration;

use rustix::system::sysinfo;
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

/// The files that contain a container's memory limit, in cgroup v2 and v1.
const CGROUP_LIMIT_FILES: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A service that uses at most this much processor time in an interval is idle: health checks and
/// heartbeats take that much.
const IDLE_PROCESSOR_TIME: Duration = Duration::from_millis(20);
/// Memory is returned again only after this much processor time, because less work frees little.
const MIN_PROCESSOR_TIME_BETWEEN_TRIMS: Duration = Duration::from_millis(5);

/// Makes all threads share one heap, because glibc returns only the first heap completely. Call it
/// before the first thread starts.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets a parameter of the allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Returns freed memory whenever the process becomes idle, until `token` is cancelled.
pub async fn trim_when_idle(token: CancellationToken) {
    token
        .run_until_cancelled(async {
            let mut before = processor_time();
            let mut trimmed = before;
            loop {
                tokio::time::sleep(IDLE_CHECK_INTERVAL).await;
                let now = processor_time();
                // Counted since the last trim, because a little work in each interval adds up.
                if now.saturating_sub(before) <= IDLE_PROCESSOR_TIME
                    && now.saturating_sub(trimmed) > MIN_PROCESSOR_TIME_BETWEEN_TRIMS
                {
                    trim();
                    trimmed = now;
                }
                before = now;
            }
        })
        .await;
}

/// Bytes of memory that this process may use: the container's limit, or the machine's memory.
#[must_use]
pub fn limit() -> u64 {
    let info = sysinfo();
    let machine = info.totalram.saturating_mul(info.mem_unit.into());
    // Without a limit, the file contains `max`, which does not parse.
    let limits = CGROUP_LIMIT_FILES
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.fold(machine, u64::min)
}

/// Checks that a value of index `max_index`, which takes `bytes_per_index` times that many bytes,
/// fits into `limit` bytes. The error is one line with the largest index that does.
pub fn check_max_index(max_index: u32, limit: u64, bytes_per_index: f64) -> Result<(), String> {
    let possible = limit as f64 / bytes_per_index;
    if f64::from(max_index) <= possible {
        return Ok(());
    }
    let megabytes = limit >> 20;
    Err(format!(
        "MAX_INDEX is {max_index}: the {megabytes} MB of memory here are enough for indices up to \
         {possible:.0}"
    ))
}

/// Processor time that this process has used so far.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim may be called from any thread at any time, and keeps memory that is in
    // use.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_max_index_too_large_for_the_memory_is_an_error() {
        assert_eq!(check_max_index(100 << 20, 128 << 20, 1.25), Ok(()));
        assert_eq!(
            check_max_index(200_000_000, 128 << 20, 1.0).unwrap_err(),
            "MAX_INDEX is 200000000: the 128 MB of memory here are enough for indices up to \
             134217728"
        );
    }

    #[test]
    fn this_process_has_a_limit() {
        assert!(limit() > 1 << 20);
    }
}
