//! Memory that was freed, given back to the system by a service that has nothing to do.
//!
//! The allocator keeps what was freed, megabytes after each large number, because it is likely needed again; to fetch it anew
//! for each would make a large calculation take half as long again. So it stays for as long as there is work. This does not
//! bound what a service takes while it works: each bounds that itself. It is about glibc, which keeps the most; other
//! allocators are left to their own ways.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "there is no safe way to tell glibc")
)]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

/// Pause between two looks at what was done.
const LOOK: Duration = Duration::from_secs(1);
/// Processor time in between that is no work: health checks and the like.
const IDLE: Duration = Duration::from_millis(20);
/// Processor time since memory was last given back that is worth doing so again, which takes far less.
const WORK: Duration = Duration::from_millis(5);

/// Has all threads share one heap, to be called before there are any: of heaps of their own, only one can be given back whole.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number, which later calls of the allocator read.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what is free whenever the process has worked and then does not, until `token` is cancelled.
pub async fn give_back_when_idle(token: CancellationToken) {
    token
        .run_until_cancelled(async {
            let mut before = processor_time();
            let mut given_back = before;
            loop {
                tokio::time::sleep(LOOK).await;
                let now = processor_time();
                // Added up: what comes now and then, and never is much at once, leaves as much behind.
                if now.saturating_sub(before) <= IDLE && now.saturating_sub(given_back) > WORK {
                    give_back();
                    given_back = now;
                }
                before = now;
            }
        })
        .await;
}

/// What the process has used so far.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// Gives back what is free.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called from any thread at any time, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
