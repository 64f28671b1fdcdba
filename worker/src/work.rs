//! The jobs this worker has taken and not finished, and the last time Redis answered: what its tasks share.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use queue::Job;

/// Without an answer from Redis for this long, the worker is not ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the worker's tasks share.
#[derive(Default)]
pub(crate) struct Work {
    entries: Mutex<BTreeSet<String>>,
    answered: Mutex<Option<Instant>>,
}

impl Work {
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
