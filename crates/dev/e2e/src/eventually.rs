//! Waiting in tests, always for a condition and always with a bound. It polls, because what is waited for happens in
//! other processes.
//!
//! What can be waited for without polling, an event or the end of a process, is not for here.

use std::time::{Duration, Instant};

/// Time between two looks: short for a person, long for a machine with two cores that is busy computing.
const POLL: Duration = Duration::from_millis(25);

/// Asks `probe` until it answers, at most `bound`; panics with `what`, the end of "waited in vain until …".
///
/// # Panics
/// When the time is over.
pub async fn eventually<T>(what: &str, bound: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {bound:?} in vain until {what}");
        tokio::time::sleep(POLL).await;
    }
}
