//! The time to wait before the next attempt to reach a server that does not answer.

use std::time::Duration;

/// Milliseconds: short enough that a restart of the server is hardly noticed.
const FIRST_DELAY: u32 = 1_000;

/// Long enough to spare a server in trouble, short enough for a person who waits.
const LONGEST_DELAY: u32 = 30_000;

/// The delay after `failures` failed attempts in a row: doubled each time, and reduced by up to half
/// (`chance` is from 0 to 1), so that browsers that lost the same server do not return together.
pub(crate) fn delay(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_DELAY);
    let jitter = (f64::from(doubled / 2) * chance.clamp(0.0, 1.0)) as u32;
    Duration::from_millis((doubled / 2 + jitter).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_bound() {
        let seconds: Vec<_> = (1..8).map(|failures| delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay(u32::MAX, 1.0), Duration::from_secs(30));
    }

    #[test]
    fn chance_shortens_the_delay_by_at_most_half() {
        assert_eq!(delay(2, 0.0), Duration::from_secs(1));
        assert_eq!(delay(2, 0.5), Duration::from_millis(1500));
    }
}
