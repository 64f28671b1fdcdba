//! How long to wait before the next attempt to reach a server that is away.
//!
//! Plain arithmetic: it neither waits nor knows what is attempted.

use std::time::Duration;

/// Milliseconds: short enough that a restart of the server is hardly noticed.
const FIRST: u32 = 1_000;

/// Long enough that pages left open do not bother a server in trouble, short enough for a person who waits.
const LONGEST: u32 = 30_000;

/// The wait after `failures` attempts in a row failed: doubled each time, and spread by `chance` (0 to 1)
/// over the upper half, so that all browsers that lost the same server do not return in the same instant.
#[must_use]
pub(crate) fn delay(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let spread = (f64::from(doubled / 2) * chance.clamp(0.0, 1.0)) as u32;
    Duration::from_millis((doubled / 2 + spread).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let seconds: Vec<_> = (1..8).map(|failures| delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay(u32::MAX, 1.0), Duration::from_secs(30));
        assert_eq!(delay(0, 1.0), Duration::from_secs(1));
    }

    #[test]
    fn chance_shortens_the_wait_by_at_most_half() {
        assert_eq!(delay(2, 0.0), Duration::from_secs(1));
        assert_eq!(delay(2, 0.5), Duration::from_millis(1500));
    }
}
