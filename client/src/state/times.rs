//! How long the newest calculations took, from the api's reading of the request to the stored value.

use std::collections::VecDeque;

use contract::Hops;

/// As many as the chart shows.
pub(crate) const KEPT: usize = 60;

/// The newest calculations, the newest last: the index and the time in µs of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalculationTimes(VecDeque<(u32, u64)>);

impl CalculationTimes {
    /// Adds a calculation. One that an original server started has no times.
    pub(crate) fn add(&mut self, index: u32, hops: &Hops) {
        if hops.received > 0 && hops.stored >= hops.received {
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            self.0.push_back((index, hops.stored - hops.received));
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u32, u64)> {
        self.0.iter().copied()
    }

    /// The median and the longest.
    pub(crate) fn summary(&self) -> Option<(u64, u64)> {
        let mut sorted: Vec<u64> = self.iter().map(|(_, micros)| micros).collect();
        sorted.sort_unstable();
        let (upper, lower) = (sorted.len() / 2, sorted.len().saturating_sub(1) / 2);
        Some((sorted.get(lower)?.midpoint(*sorted.get(upper)?), *sorted.last()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(micros: impl IntoIterator<Item = u64>) -> CalculationTimes {
        let mut times = CalculationTimes::default();
        for micros in micros {
            times.add(10, &Hops { received: 1_000, stored: 1_000 + micros, ..Hops::default() });
        }
        times
    }

    #[test]
    fn the_newest_are_kept_with_their_median_and_longest() {
        assert_eq!(times([]).summary(), None);
        assert_eq!(times([7]).summary(), Some((7, 7)));
        assert_eq!(times([10, 2]).summary(), Some((6, 10)), "the median of two is between them");
        assert_eq!(times([9, 1, 5]).summary(), Some((5, 9)));
        let many = times(0..100);
        assert_eq!(many.iter().map(|(_, micros)| micros).collect::<Vec<_>>(), (40..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_calculation_without_times_is_left_out() {
        let mut times = CalculationTimes::default();
        times.add(10, &Hops { stored: 5, ..Hops::default() });
        times.add(10, &Hops { received: 7, stored: 5, ..Hops::default() });
        assert_eq!(times, CalculationTimes::default());
    }
}
