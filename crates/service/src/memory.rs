//! Returns freed memory to the system when a service is idle.
//!
//! glibc keeps what was freed, megabytes after each large number. Returning it while there is work
//! would make a large calculation take half as long again, so it is returned when the service is
//! idle.
//!
//! With another allocator there would be no `unsafe` here. jemalloc was measured (one arena, a decay
//! of 0.5 s): a request takes a tenth less processor time, but an idle worker has 12 MB, not 9, and
//! three values of 10^8 peaked at 151 MB, not 113. mimalloc has 20 MB at the start.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "there is no safe way to tell glibc")
)]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

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
                if now.saturating_sub(before) <= IDLE_TIME && now.saturating_sub(trimmed) > WORK_TIME {
                    trim();
                    trimmed = now;
                }
                before = now;
            }
        })
        .await;
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
