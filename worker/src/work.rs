//! What a worker's lanes and tasks share: the jobs it has taken and not finished, how many of them may be calculated at once,
//! and the last time Redis answered.
//!
//! It only keeps account. Who takes jobs is `lane`, and who gives signs of life for them `upkeep`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use queue::Job;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// Without an answer from Redis for this long, the worker is not ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the worker's lanes and tasks share.
pub(crate) struct Work {
    /// A permit for each calculation that may go on at once: what one takes is what bounds the worker's memory.
    calculations: Semaphore,
    /// Threads that nobody calculates with at the moment, one a lane.
    spare: AtomicUsize,
    entries: Mutex<BTreeSet<String>>,
    answered: Mutex<Option<Instant>>,
}

/// Threads that a calculation uses, until it ends or panics.
struct Taken<'a> {
    spare: &'a AtomicUsize,
    threads: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.spare.fetch_add(self.threads, Ordering::Relaxed);
    }
}

impl Work {
    /// Nothing is worked on; `calculations` may go on at once.
    pub(crate) fn new(calculations: usize) -> Self {
        Self {
            calculations: Semaphore::new(calculations),
            spare: AtomicUsize::new(calculations),
            entries: Mutex::default(),
            answered: Mutex::default(),
        }
    }

    /// The right to take jobs and to calculate them, while it is held; `None` when `token` is cancelled first. Had before jobs
    /// are taken: one that cannot be started yet is another worker's.
    pub(crate) async fn turn(&self, token: &CancellationToken) -> Option<SemaphorePermit<'_>> {
        token.run_until_cancelled(self.calculations.acquire()).await?.ok()
    }

    /// Runs `calculation`, and tells it how many threads it may use: all that are spare, and its lane's own in any case.
    pub(crate) fn calculate<T>(&self, calculation: impl FnOnce(NonZeroUsize) -> T) -> T {
        let taken = Taken { spare: &self.spare, threads: self.spare.swap(0, Ordering::Relaxed) };
        calculation(NonZeroUsize::new(taken.threads).unwrap_or(NonZeroUsize::MIN))
    }

    /// Jobs were taken: signs of life are given for them from now on.
    pub(crate) fn begin(&self, jobs: &[Job]) {
        self.lock().extend(jobs.iter().map(|job| job.entry.clone()));
    }

    /// Jobs are finished, or left to be redelivered.
    pub(crate) fn end(&self, jobs: &[String]) {
        let mut entries = self.lock();
        for entry in jobs {
            entries.remove(entry);
        }
    }

    /// The entries of the jobs that are being worked on.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Redis answered.
    pub(crate) fn note_answer(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether Redis answered lately.
    pub(crate) fn is_ready(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at.elapsed() < PATIENCE)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        // No code panics while it holds the lock, and a set is right after any of its operations.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calculation_that_is_alone_has_the_threads_of_all_lanes_and_the_next_one_its_own() {
        let work = Work::new(3);
        for _ in 0..2 {
            let threads = work.calculate(|alone| (alone.get(), work.calculate(NonZeroUsize::get)));
            assert_eq!(threads, (3, 1));
        }
    }

    #[test]
    fn a_calculation_that_panicked_gives_its_threads_back() {
        let work = Work::new(2);
        let panics = std::panic::AssertUnwindSafe(|| work.calculate(|_| panic!("as tests do")));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(work.calculate(NonZeroUsize::get), 2);
    }
}
