//! Classes of jobs. Each class has its own stream and its own share of the queue, so that small
//! jobs do not wait behind large ones, and jobs of users do not wait behind repair jobs.

use std::ops;

use contract::{Index, MAX_SMALL_INDEX};

use crate::keys::{LARGE_JOBS, REPAIR_JOBS, SMALL_JOBS};

/// The class of a job decides its stream, and its share of the queue and of the workers' time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobClass {
    /// An index up to 100,000.
    Small,
    /// A higher index.
    Large,
    /// An index of any size that was accepted earlier and whose value is missing.
    Repair,
}

/// A value for each class, in the order of [`JobClass::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerClass<T>(pub [T; 3]);

impl<T> ops::Index<JobClass> for PerClass<T> {
    type Output = T;

    fn index(&self, class: JobClass) -> &T {
        &self.0[class as usize]
    }
}

impl<T> ops::IndexMut<JobClass> for PerClass<T> {
    fn index_mut(&mut self, class: JobClass) -> &mut T {
        &mut self.0[class as usize]
    }
}

impl JobClass {
    /// All classes, in the order of [`PerClass`].
    pub const ALL: [Self; 3] = [Self::Small, Self::Large, Self::Repair];

    /// The class of an index that is enqueued for a user, not for repair.
    #[must_use]
    pub fn of(index: Index) -> Self {
        if index.get() <= MAX_SMALL_INDEX { Self::Small } else { Self::Large }
    }

    /// The maximum number of jobs of this class in a queue of `max_queue` jobs: half of the queue
    /// for small jobs, a quarter for each other class, and at least 1.
    #[must_use]
    pub fn capacity(self, max_queue: usize) -> u64 {
        let quarter = max_queue / 4;
        let capacity = match self {
            Self::Small => max_queue - 2 * quarter,
            Self::Large | Self::Repair => quarter,
        };
        capacity.max(1) as u64
    }

    /// The name of the class in scripts, job ids and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Repair => "repair",
        }
    }

    pub(crate) fn stream(self) -> &'static str {
        match self {
            Self::Small => SMALL_JOBS,
            Self::Large => LARGE_JOBS,
            Self::Repair => REPAIR_JOBS,
        }
    }

    /// The class of a stream, by the name of the stream.
    pub(crate) fn of_stream(stream: &str) -> Self {
        Self::ALL.into_iter().find(|class| class.stream() == stream).unwrap_or(Self::Small)
    }

    /// The id of the job in a stream entry, as in `scripts/jobs.lua`.
    pub(crate) fn job_id(self, entry: &str) -> String {
        match self {
            Self::Small => entry.to_owned(),
            Self::Large | Self::Repair => format!("{}/{entry}", self.name()),
        }
    }

    /// The class of a job, by its id. An id without the prefix of a class is that of a small job.
    pub(crate) fn of_job(id: &str) -> Self {
        let class = id.split_once('/').map(|(class, _)| class);
        Self::ALL.into_iter().find(|known| Some(known.name()) == class).unwrap_or(Self::Small)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_share_of_the_queue() {
        for (max_queue, shares) in [(10_000, [5_000, 2_500, 2_500]), (5, [3, 1, 1]), (1, [1, 1, 1])]
        {
            assert_eq!(JobClass::ALL.map(|class| class.capacity(max_queue)), shares, "{max_queue}");
        }
    }

    #[test]
    fn the_class_of_a_job_can_be_read_from_its_id() {
        for class in JobClass::ALL {
            assert_eq!(JobClass::of_job(&class.job_id("1764313200000-0")), class);
        }
    }
}
