//! Which class of jobs an executor takes next, and how many of them.
//!
//! Each class that has jobs gets a share of the executor's time (start-time fair queueing): a class's
//! clock advances by the time that its jobs took, divided by its share, and the class whose clock is
//! behind goes first. A class that had no jobs for a while does not save up time.

use std::time::Duration;

use queue::JobClass;

/// Expected duration of the jobs that are taken at once.
pub(crate) const BATCH_DURATION: Duration = Duration::from_millis(5);
const MAX_BATCH_SIZE: usize = 64;

#[derive(Default)]
pub(crate) struct Turns {
    /// In the order of [`JobClass::ALL`].
    classes: [ClassTurns; 3],
    /// Where the clock of the class stood that was taken last.
    now: Duration,
}

struct ClassTurns {
    clock: Duration,
    /// Estimated duration of a job, from those that were run.
    job_duration: Duration,
}

impl Default for ClassTurns {
    fn default() -> Self {
        Self { clock: Duration::ZERO, job_duration: BATCH_DURATION }
    }
}

impl Turns {
    /// All classes, the one that goes first at the front, and how many jobs to take if it is that one.
    pub(crate) fn preference(&self) -> [(JobClass, usize); 3] {
        let mut classes = JobClass::ALL;
        // Stable: of equals, small jobs go first.
        classes.sort_by_key(|class| self.start(*class));
        classes.map(|class| (class, self.classes[class as usize].batch_size()))
    }

    /// Notes that `count` jobs of `class` took `duration` in all.
    pub(crate) fn note(&mut self, class: JobClass, count: usize, duration: Duration) {
        self.now = self.start(class);
        let turns = &mut self.classes[class as usize];
        turns.clock = self.now + duration / share(class);
        if let Some(each) = duration.checked_div(u32::try_from(count).unwrap_or(u32::MAX)) {
            // Up at once, down gradually: a large job is likely followed by another.
            let estimate = turns.job_duration;
            turns.job_duration = if each > estimate { each } else { (estimate * 3 + each) / 4 };
        }
    }

    fn start(&self, class: JobClass) -> Duration {
        self.classes[class as usize].clock.max(self.now)
    }
}

impl ClassTurns {
    fn batch_size(&self) -> usize {
        let nanos = self.job_duration.as_nanos().max(1);
        usize::try_from(BATCH_DURATION.as_nanos() / nanos).unwrap_or(MAX_BATCH_SIZE).clamp(1, MAX_BATCH_SIZE)
    }
}

/// Of an executor's time, while all classes have jobs.
fn share(class: JobClass) -> u32 {
    match class {
        JobClass::Small => 4,
        JobClass::Large => 2,
        JobClass::Repair => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE_JOB: Duration = Duration::from_millis(100);

    /// The next class that has jobs.
    fn next(turns: &Turns, waiting: &[JobClass]) -> JobClass {
        let preference = turns.preference();
        preference.into_iter().map(|(class, _)| class).find(|class| waiting.contains(class)).unwrap()
    }

    #[test]
    fn classes_that_always_have_jobs_get_their_shares() {
        let mut turns = Turns::default();
        let mut time = [Duration::ZERO; 3];
        for _ in 0..1_000 {
            let class = next(&turns, &JobClass::ALL);
            let duration = if class == JobClass::Small { BATCH_DURATION } else { LARGE_JOB };
            turns.note(class, 1, duration);
            time[class as usize] += duration;
        }
        let [small, large, repair] = time.map(|time| time.as_secs_f64());
        assert!((3.6..4.4).contains(&(small / repair)), "{time:?}");
        assert!((1.8..2.2).contains(&(large / repair)), "{time:?}");
    }

    #[test]
    fn a_small_job_goes_first_while_others_wait() {
        let mut turns = Turns::default();
        for _ in 0..100 {
            let class = next(&turns, &[JobClass::Large, JobClass::Repair]);
            turns.note(class, 1, LARGE_JOB);
            assert_eq!(next(&turns, &JobClass::ALL), JobClass::Small);
        }
    }

    #[test]
    fn a_class_does_not_save_up_time() {
        let mut turns = Turns::default();
        (0..100).for_each(|_| turns.note(JobClass::Large, 1, LARGE_JOB));
        // Small jobs come: after their share, the large ones have their turn.
        (0..20).for_each(|_| turns.note(JobClass::Small, 1, LARGE_JOB));
        assert_eq!(next(&turns, &[JobClass::Small, JobClass::Large]), JobClass::Large);
    }

    #[test]
    fn batches_of_small_jobs_are_large_and_large_jobs_are_taken_singly() {
        let mut turns = Turns::default();
        let batch_size = |turns: &Turns| turns.classes[JobClass::Repair as usize].batch_size();
        assert_eq!(batch_size(&turns), 1);
        for _ in 0..40 {
            turns.note(JobClass::Repair, 4, Duration::from_micros(40));
        }
        assert_eq!(batch_size(&turns), MAX_BATCH_SIZE);
        turns.note(JobClass::Repair, 4, 4 * LARGE_JOB);
        assert_eq!(batch_size(&turns), 1);
    }
}
