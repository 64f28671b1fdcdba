//! What a worker knows of itself from its last contact with Redis.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Without an answer from Redis for this long, the worker is not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct WorkerStatus {
    last_answer: Mutex<Option<Instant>>,
    /// True before the first heartbeat, so that no announcement is lost.
    is_leader: AtomicBool,
}

impl Default for WorkerStatus {
    fn default() -> Self {
        Self { last_answer: Mutex::default(), is_leader: AtomicBool::new(true) }
    }
}

impl WorkerStatus {
    pub(crate) fn note_answer(&self) {
        *self.last_answer() = Some(Instant::now());
    }

    /// Whether Redis has answered lately.
    pub(crate) fn is_ready(&self) -> bool {
        self.last_answer().is_some_and(|answer| answer.elapsed() < READY_TIMEOUT)
    }

    pub(crate) fn set_leader(&self, is_leader: bool) {
        self.is_leader.store(is_leader, Ordering::Relaxed);
    }

    /// Whether this worker is the leader, as of its last heartbeat.
    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Relaxed)
    }

    fn last_answer(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
