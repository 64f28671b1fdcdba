//! The state that a worker's threads and tasks share: the jobs that it holds, its capacity for
//! calculations, and its status.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use queue::Job;
use service::traces;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::status::WorkerStatus;

pub(crate) struct Jobs {
    /// One permit for each calculation that may run. This bounds the worker's memory.
    permits: Semaphore,
    /// Number of threads that no calculation is using.
    idle_threads: AtomicUsize,
    /// Ids of the jobs that this worker holds. Heartbeats keep them from being reclaimed.
    held: Mutex<BTreeSet<String>>,
    /// Ids of jobs whose results cannot be stored. The next heartbeat releases them.
    pending_releases: Mutex<BTreeSet<String>>,
    pub(crate) status: WorkerStatus,
}

/// Threads that a calculation uses. Dropping it makes them idle again, even after a panic.
struct BorrowedThreads<'a> {
    idle: &'a AtomicUsize,
    count: usize,
}

impl Drop for BorrowedThreads<'_> {
    fn drop(&mut self) {
        self.idle.fetch_add(self.count, Ordering::Relaxed);
    }
}

impl Jobs {
    /// Without jobs. Up to `threads` calculations may run at the same time.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            permits: Semaphore::new(threads),
            idle_threads: AtomicUsize::new(threads),
            held: Mutex::default(),
            pending_releases: Mutex::default(),
            status: WorkerStatus::default(),
        }
    }

    /// Waits for a permit to calculate; `None` once `token` is cancelled. Acquire it before reading
    /// jobs, so that we never hold a job we cannot start.
    pub(crate) async fn acquire_permit(
        &self,
        token: &CancellationToken,
    ) -> Option<SemaphorePermit<'_>> {
        token.run_until_cancelled(self.permits.acquire()).await?.ok()
    }

    /// Runs `calculation` with the number of threads that it may use: all idle ones, or only the
    /// calling thread if none is idle.
    pub(crate) fn calculate<T>(&self, calculation: impl FnOnce(NonZeroUsize) -> T) -> T {
        let idle = &self.idle_threads;
        let borrowed = BorrowedThreads { idle, count: idle.swap(0, Ordering::Relaxed) };
        calculation(NonZeroUsize::new(borrowed.count).unwrap_or(NonZeroUsize::MIN))
    }

    /// Starts holding these jobs.
    pub(crate) fn hold(&self, jobs: &[Job]) {
        lock(&self.held).extend(jobs.iter().map(|job| job.id.clone()));
    }

    /// Stops holding these jobs: they are completed, or failed and will be redelivered.
    pub(crate) fn remove(&self, ids: &[String]) {
        let mut held = lock(&self.held);
        for id in ids {
            held.remove(id);
        }
    }

    /// Stops holding these jobs. The next heartbeat releases them.
    pub(crate) fn release(&self, ids: &[String]) {
        self.remove(ids);
        lock(&self.pending_releases).extend(ids.iter().cloned());
    }

    /// Removes and returns the ids of the jobs to release.
    pub(crate) fn take_pending_releases(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.pending_releases)).into_iter().collect()
    }

    /// Ids of the jobs that this worker holds.
    pub(crate) fn held(&self) -> Vec<String> {
        lock(&self.held).iter().cloned().collect()
    }
}

/// Locks a mutex and ignores poisoning: no code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The span of a job, which adds its request id, its index and its sampled trace to log lines. The level is
/// error, so that no log filter disables the span.
pub(crate) fn span(job: &Job) -> Span {
    let index = job.index.map(contract::Index::get);
    let is_sampled = job.traceparent.ends_with("-01");
    let trace_id = job.traceparent.split('-').nth(1).filter(|_| is_sampled);
    tracing::error_span!("job", request_id = job.request_id, index, trace_id)
}

/// The span of a job in its trace.
pub(crate) fn trace_span(job: &Job) -> Span {
    let span = tracing::info_span!(
        target: traces::TARGET,
        "job",
        otel.kind = "consumer",
        messaging.system = "redis",
        request_id = job.request_id,
        index = job.index.map(contract::Index::get)
    );
    traces::continue_from_service(&span, &job.traceparent);
    span
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_calculation_uses_all_idle_threads_and_a_concurrent_one_uses_one() {
        let jobs = Jobs::new(3);
        for _ in 0..2 {
            let threads = jobs.calculate(|first| (first.get(), jobs.calculate(NonZeroUsize::get)));
            assert_eq!(threads, (3, 1));
        }
    }

    #[test]
    fn the_threads_of_a_calculation_that_panics_are_idle_again() {
        let jobs = Jobs::new(2);
        let panicking = AssertUnwindSafe(|| jobs.calculate(|_| panic!("on purpose")));
        assert!(catch_unwind(panicking).is_err());
        assert_eq!(jobs.calculate(NonZeroUsize::get), 2);
    }
}
