//! Growing pauses between attempts at something that may come back by itself, such as a server that restarts.
//!
//! There is no bound on the number of attempts and no randomness: a handful of processes wait here, not thousands.

use std::time::Duration;

/// Pauses that double from the first to the longest.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The next pause is `first`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// An attempt has succeeded: the next pause is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Pauses. May be dropped.
    pub async fn pause(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        tokio::time::sleep(pause).await;
    }
}
