//! Polls for a condition, such as the state of another process, until a timeout.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Short compared with the time that a service takes to start.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Calls `probe` until it returns a value; `None` after `timeout`.
pub fn poll<T>(timeout: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let value = probe();
        if value.is_some() || start.elapsed() >= timeout {
            return value;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Waits until `condition` holds. After `timeout`, fails with `what` in the message.
pub fn wait_until(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    poll(timeout, || condition().then_some(())).with_context(|| timed_out(what, timeout))
}

pub(crate) fn timed_out(what: &str, timeout: Duration) -> String {
    format!("timed out after {timeout:?} waiting until {what}")
}

/// Asynchronous [`poll`] for tests. Panics after `timeout` with the message of [`wait_until`].
#[cfg(feature = "tokio")]
pub async fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{}", timed_out(what, timeout));
        // Longer than in `poll`: most probes are requests, which take CPU time from other tests.
        tokio::time::sleep(POLL_INTERVAL * 2).await;
    }
}
