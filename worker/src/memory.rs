//! Memory that calculations have left, given back to the system when there is nothing to do.
//!
//! The allocator keeps what was freed, megabytes after each large job, because it is likely needed again; to fetch it anew for
//! each job would make a large one take half as long again. So it stays for as long as there are jobs. This does not bound
//! what calculations take while they go on: their number does, see `work`. It is about glibc, which keeps the most; other
//! allocators are left to their own ways.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "there is no safe way to tell glibc")
)]

/// Has all threads share one heap, to be called before there are any: of heaps of their own, only one can be given back whole.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number, which later calls of the allocator read.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what is free.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called from any thread at any time, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
