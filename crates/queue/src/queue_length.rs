//! The number of jobs in the queue, by the latest reply of Redis to this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::connection::RESPONSE_TIMEOUT;
use crate::{JobClass, PerClass};

/// Number of jobs in the queue at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLength {
    /// Jobs that wait or are being calculated.
    pub by_class: PerClass<u64>,
    /// By Redis's clock, in µs since the Unix epoch.
    pub at: u64,
}

impl QueueLength {
    /// Jobs of all classes.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        self.by_class.0.iter().sum()
    }
}

/// The newest [`QueueLength`] in a reply of Redis. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LatestQueueLength(Arc<Mutex<QueueLength>>);

impl LatestQueueLength {
    pub(crate) fn of(&self, class: JobClass) -> u64 {
        self.lock().by_class[class]
    }

    /// Keeps the newer length, because replies may be handled out of order. But if `new` is older
    /// than a late reply can be, it is from another Redis whose clock differs, and counts.
    pub(crate) fn update(&self, new: QueueLength) {
        let mut latest = self.lock();
        let older_by = Duration::from_micros(latest.at.saturating_sub(new.at));
        if older_by.is_zero() || older_by > RESPONSE_TIMEOUT {
            *latest = new;
        }
    }

    pub(crate) fn reset(&self) {
        *self.lock() = QueueLength::default();
    }

    fn lock(&self) -> MutexGuard<'_, QueueLength> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest_of(lengths: [(u64, u64); 2]) -> u64 {
        let latest = LatestQueueLength::default();
        for (jobs, at) in lengths {
            latest.update(QueueLength { by_class: PerClass([jobs, 0, 0]), at });
        }
        latest.of(JobClass::Small)
    }

    #[test]
    fn a_late_reply_does_not_replace_a_newer_length() {
        assert_eq!(latest_of([(20, 9_000_001), (10, 9_000_000)]), 20);
        assert_eq!(latest_of([(10, 9_000_000), (20, 9_000_001)]), 20);
    }

    #[test]
    fn a_length_of_another_redis_with_an_earlier_clock_counts() {
        assert_eq!(latest_of([(20, 9_000_000), (10, 1_000_000)]), 10);
    }
}
