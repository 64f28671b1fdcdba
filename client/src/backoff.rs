//! How long to wait before the next attempt to reach a server that is away.
//!
//! Plain arithmetic: it neither waits nor knows what is attempted.

use std::time::Duration;

/// Short enough that a restart of the server is hardly noticed.
const FIRST: Duration = Duration::from_secs(1);

/// Long enough that pages left open do not bother a server in trouble, short enough for a person who waits.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait after `failures` attempts in a row failed: doubled each time, and spread by `chance` (0 to 1)
/// over the upper half, so that all browsers that lost the same server do not return in the same instant.
#[must_use]
pub(crate) fn delay(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let seconds: Vec<_> = (1..8).map(|failures| delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay(u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn chance_shortens_the_wait_by_at_most_half() {
        assert_eq!(delay(2, 0.0), Duration::from_secs(1));
        assert_eq!(delay(2, 0.5), Duration::from_millis(1500));
    }
}
