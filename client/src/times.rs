//! How long the newest calculations took from end to end: from the api's reading of the request to the stored value.
//!
//! Plain logic: it keeps the last few and says what is typical of them.

use std::collections::VecDeque;

use contract::Hops;

/// As many as are drawn.
pub const KEPT: usize = 60;

/// The newest times, in µs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(VecDeque<u64>);

impl Times {
    /// Takes in a result. One that came from an original server tells no times.
    pub fn add(&mut self, hops: &Hops) {
        if hops.received > 0 && hops.stored >= hops.received {
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            self.0.push_back(hops.stored - hops.received);
        }
    }

    /// All of them, the newest last.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u64> {
        self.0.iter().copied()
    }

    /// The one in the middle, and the longest.
    #[must_use]
    pub fn typical(&self) -> Option<(u64, u64)> {
        // The one that half of them are below; sorting sixty numbers is not worth a sorting algorithm.
        let below = |time: u64| self.iter().filter(|other| *other < time).count();
        let middle = self.iter().filter(|time| below(*time) <= self.0.len() / 2).max()?;
        Some((middle, self.iter().max()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(micros: u64) -> Hops {
        Hops { received: 1_000, stored: 1_000 + micros, ..Hops::default() }
    }

    #[test]
    fn the_newest_are_kept_with_their_median_and_longest() {
        let mut times = Times::default();
        assert_eq!(times.typical(), None);
        for micros in 0..100 {
            times.add(&took(micros));
        }
        assert_eq!(times.iter().collect::<Vec<_>>(), (40..100).collect::<Vec<_>>());
        assert_eq!(times.typical(), Some((70, 99)));
    }

    #[test]
    fn a_result_without_times_is_none() {
        let mut times = Times::default();
        times.add(&Hops { stored: 5, ..Hops::default() });
        times.add(&Hops { received: 7, stored: 5, ..Hops::default() });
        assert_eq!(times, Times::default());
    }
}
