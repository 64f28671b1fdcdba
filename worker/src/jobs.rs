//! What a worker's executors and tasks share: the jobs that it holds, the number of calculations
//! that may run, and its status.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use queue::Job;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::status::WorkerStatus;

/// The jobs of this worker.
pub(crate) struct Jobs {
    /// One permit for each calculation that may run: this bounds the worker's memory.
    calculations: Semaphore,
    /// Threads that no calculation uses now.
    idle_threads: AtomicUsize,
    /// Ids of the jobs that this worker holds.
    ids: Mutex<BTreeSet<String>>,
    /// Ids of the jobs whose results cannot be stored, until they are released.
    to_release: Mutex<BTreeSet<String>>,
    pub(crate) status: WorkerStatus,
}

/// Threads that a calculation uses, until it ends or panics.
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
    /// No jobs. Up to `threads` calculations may run at the same time.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            calculations: Semaphore::new(threads),
            idle_threads: AtomicUsize::new(threads),
            ids: Mutex::default(),
            to_release: Mutex::default(),
            status: WorkerStatus::default(),
        }
    }

    /// The right to calculate; `None` once `token` is cancelled. Acquire it before reading jobs, so
    /// that we never hold a job we cannot start.
    pub(crate) async fn acquire(&self, token: &CancellationToken) -> Option<SemaphorePermit<'_>> {
        token.run_until_cancelled(self.calculations.acquire()).await?.ok()
    }

    /// Runs `calculation` with the number of threads that it may use: all idle ones, or its own.
    pub(crate) fn calculate<T>(&self, calculation: impl FnOnce(NonZeroUsize) -> T) -> T {
        let idle = &self.idle_threads;
        let borrowed = BorrowedThreads { idle, count: idle.swap(0, Ordering::Relaxed) };
        calculation(NonZeroUsize::new(borrowed.count).unwrap_or(NonZeroUsize::MIN))
    }

    /// From now on, heartbeats keep these jobs.
    pub(crate) fn add(&self, jobs: &[Job]) {
        lock(&self.ids).extend(jobs.iter().map(|job| job.id.clone()));
    }

    /// These jobs are finished, or left to be redelivered because they failed.
    pub(crate) fn remove(&self, ids: &[String]) {
        let mut held = lock(&self.ids);
        for id in ids {
            held.remove(id);
        }
    }

    /// The results of these jobs cannot be stored: another delivery may succeed.
    pub(crate) fn release(&self, ids: &[String]) {
        self.remove(ids);
        lock(&self.to_release).extend(ids.iter().cloned());
    }

    /// Takes out the ids of the jobs to release.
    pub(crate) fn take_to_release(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.to_release)).into_iter().collect()
    }

    /// Ids of the jobs that this worker holds.
    pub(crate) fn ids(&self) -> Vec<String> {
        lock(&self.ids).iter().cloned().collect()
    }
}

/// No code panics while it holds one of the locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The span of a job: its log lines carry the id of the request that it came from. At level error,
/// so that a stricter filter does not take it away.
pub(crate) fn span(job: &Job) -> Span {
    let index = job.index.map(contract::Index::get);
    tracing::error_span!("job", request_id = job.request_id, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_calculation_has_all_threads_and_a_second_one_its_own() {
        let jobs = Jobs::new(3);
        for _ in 0..2 {
            let threads = jobs.calculate(|first| (first.get(), jobs.calculate(NonZeroUsize::get)));
            assert_eq!(threads, (3, 1));
        }
    }

    #[test]
    fn a_calculation_that_panics_returns_its_threads() {
        let jobs = Jobs::new(2);
        let panics = std::panic::AssertUnwindSafe(|| jobs.calculate(|_| panic!("on purpose")));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(jobs.calculate(NonZeroUsize::get), 2);
    }
}
