//! Waiting for a condition, always with a bound: the only place where this workspace's tests may sleep.
//! It polls, because what is waited for happens in other processes.
//!
//! What went wrong meanwhile it does not know: the error names what was waited for.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::Error;

/// Time between two looks at a condition: short beside the start of any process, long beside the look itself.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds, at most `bound`.
///
/// # Errors
/// [`Error::Timeout`] naming `what`, which reads as the end of "waited in vain until …".
pub fn wait_until(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) -> Result<(), Error> {
    let deadline = Instant::now() + bound;
    loop {
        if condition() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout { what: what.to_owned(), bound });
        }
        thread::sleep(POLL);
    }
}
