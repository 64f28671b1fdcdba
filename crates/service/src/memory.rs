//! Returns freed memory to the system when a service is idle.
//!
//! glibc keeps what was freed, megabytes after each large number. Returning it while there is work
//! would make a large calculation take half as long again, so it is returned when the service is
//! idle.
//!
//! With another allocator there would be no `unsafe` here. jemalloc was measured (one arena, a
//! decay of 0.5 s): a request takes a tenth less processor time, but an idle worker has 12 MB, not
//! 9, and three values of 10^8 peaked at 151 MB, not 113. mimalloc has 20 MB at the start.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "there is no safe way to tell glibc")
)]

use std::fs;
use std::time::Duration;

use rustix::system::sysinfo;
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

/// Where a container finds its own limit, in cgroup v2 and v1.
const CGROUP_LIMIT_FILES: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Processor time per interval of an idle service: health checks and the like.
const IDLE_TIME: Duration = Duration::from_millis(20);
/// Processor time since memory was last returned that makes it worthwhile again.
const WORK_TIME: Duration = Duration::from_millis(5);

/// Makes all threads share one heap: of several, glibc returns only the first completely. Call it
/// before the first thread.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a parameter of the allocator.
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
                tokio::time::sleep(POLL_INTERVAL).await;
                let now = processor_time();
                // Summed over intervals, because little work now and then leaves as much behind.
                if now.saturating_sub(before) <= IDLE_TIME
                    && now.saturating_sub(trimmed) > WORK_TIME
                {
                    trim();
                    trimmed = now;
                }
                before = now;
            }
        })
        .await;
}

/// Bytes of memory that this process may use: the container's limit, or what the machine has.
#[must_use]
pub fn limit() -> u64 {
    let info = sysinfo();
    let machine = info.totalram.saturating_mul(info.mem_unit.into());
    // A file says `max` when there is no limit.
    let limits = CGROUP_LIMIT_FILES
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.fold(machine, u64::min)
}

/// One line on what is possible, if values up to `max_index` do not fit into `limit` bytes at
/// `bytes_per_index` each.
pub fn check_max_index(max_index: u32, limit: u64, bytes_per_index: f64) -> Result<(), String> {
    let possible = limit as f64 / bytes_per_index;
    if f64::from(max_index) <= possible {
        return Ok(());
    }
    Err(format!(
        "MAX_INDEX is {max_index}: the {} MB of memory here are enough for indices up to {possible:.0}",
        limit >> 20
    ))
}

/// Of the whole process, so far.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called from any thread at any time, and does not touch memory in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_does_not_fit_is_one_line_on_what_is_possible() {
        assert_eq!(check_max_index(100 << 20, 128 << 20, 1.25), Ok(()));
        assert_eq!(
            check_max_index(200_000_000, 128 << 20, 1.0),
            Err("MAX_INDEX is 200000000: the 128 MB of memory here are enough for indices up to 134217728"
                .to_owned())
        );
    }

    #[test]
    fn this_process_has_a_limit() {
        assert!(limit() > 1 << 20);
    }
}
