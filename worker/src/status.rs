//! What the worker's contacts with Redis have shown: whether the worker is ready, and whether it is
//! the leader.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The worker is ready while Redis's last reply is not older than this.
const MAX_REPLY_AGE: Duration = Duration::from_secs(5);

pub(crate) struct WorkerStatus {
    last_reply: Mutex<Option<Instant>>,
    /// True before the first heartbeat, so that no announcement is lost.
    is_leader: AtomicBool,
}

impl Default for WorkerStatus {
    fn default() -> Self {
        Self { last_reply: Mutex::default(), is_leader: AtomicBool::new(true) }
    }
}

impl WorkerStatus {
    /// Records that Redis has just replied.
    pub(crate) fn record_reply(&self) {
        *self.last_reply() = Some(Instant::now());
    }

    /// Whether Redis has replied lately.
    pub(crate) fn is_ready(&self) -> bool {
        self.last_reply().is_some_and(|reply| reply.elapsed() < MAX_REPLY_AGE)
    }

    pub(crate) fn set_leader(&self, is_leader: bool) {
        self.is_leader.store(is_leader, Ordering::Relaxed);
    }

    /// Whether this worker was the leader at its last heartbeat.
    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Relaxed)
    }

    fn last_reply(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
