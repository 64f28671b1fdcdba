//! Decides from which class an executor takes jobs next, and how many.
//!
//! This is start-time fair queueing. The class with the lowest start tag goes first. A class's
//! start tag is the finish tag of its last jobs, or the virtual time if that is later; so a class
//! without jobs does not save up time. The finish tag is the start tag plus the duration of the
//! jobs divided by the weight of their class. The virtual time is the start tag of the class that
//! ran last.

use std::time::Duration;

use queue::{JobClass, PerClass};

/// Expected duration of the jobs that an executor takes at once.
pub(crate) const BATCH_DURATION: Duration = Duration::from_millis(5);
/// Most small jobs in a batch.
const MAX_SMALL_BATCH: usize = 64;
/// Most jobs of another class in a batch. Their durations differ so much that an estimate can be
/// far too low.
const MAX_OTHER_BATCH: usize = 4;

#[derive(Default)]
pub(crate) struct Scheduler {
    classes: PerClass<ClassState>,
    virtual_time: Duration,
}

struct ClassState {
    finish_tag: Duration,
    /// Estimated duration of a job, from the jobs that have run.
    job_duration: Duration,
}

impl Default for ClassState {
    fn default() -> Self {
        Self { finish_tag: Duration::ZERO, job_duration: BATCH_DURATION }
    }
}

impl Scheduler {
    /// All classes in the order of preference, each with the number of jobs to take.
    pub(crate) fn preference(&self) -> [(JobClass, usize); 3] {
        let mut classes = JobClass::ALL;
        // The sort is stable, so among classes with equal tags small jobs go first.
        classes.sort_by_key(|class| self.start_tag(*class));
        classes.map(|class| (class, self.batch_size(class)))
    }

    /// Records that `count` jobs of `class` took `duration` in all.
    pub(crate) fn record(&mut self, class: JobClass, count: usize, duration: Duration) {
        self.virtual_time = self.start_tag(class);
        let state = &mut self.classes[class];
        state.finish_tag = self.virtual_time + duration / weight(class);
        if let Some(each) = duration.checked_div(u32::try_from(count).unwrap_or(u32::MAX)) {
            // The estimate rises at once but falls slowly, because after a large job another one is
            // likely.
            let estimate = state.job_duration;
            state.job_duration = if each > estimate { each } else { (estimate * 3 + each) / 4 };
        }
    }

    fn batch_size(&self, class: JobClass) -> usize {
        let max = if class == JobClass::Small { MAX_SMALL_BATCH } else { MAX_OTHER_BATCH };
        let nanos = self.classes[class].job_duration.as_nanos().max(1);
        usize::try_from(BATCH_DURATION.as_nanos() / nanos).unwrap_or(max).clamp(1, max)
    }

    fn start_tag(&self, class: JobClass) -> Duration {
        self.classes[class].finish_tag.max(self.virtual_time)
    }
}

/// Relative share of an executor's time while all classes have jobs.
fn weight(class: JobClass) -> u32 {
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

    /// The class that goes next if those in `waiting` have jobs.
    fn next(scheduler: &Scheduler, waiting: &[JobClass]) -> JobClass {
        let preference = scheduler.preference();
        preference
            .into_iter()
            .map(|(class, _)| class)
            .find(|class| waiting.contains(class))
            .unwrap()
    }

    #[test]
    fn classes_share_the_time_by_their_weights() {
        let mut scheduler = Scheduler::default();
        let mut time = PerClass([Duration::ZERO; 3]);
        for _ in 0..1_000 {
            let class = next(&scheduler, &JobClass::ALL);
            let duration = if class == JobClass::Small { BATCH_DURATION } else { LARGE_JOB };
            scheduler.record(class, 1, duration);
            time[class] += duration;
        }
        let [small, large, repair] = time.0.map(|time| time.as_secs_f64());
        assert!((3.6..4.4).contains(&(small / repair)), "{time:?}");
        assert!((1.8..2.2).contains(&(large / repair)), "{time:?}");
    }

    #[test]
    fn a_small_job_goes_before_waiting_jobs_of_other_classes() {
        let mut scheduler = Scheduler::default();
        for _ in 0..100 {
            let class = next(&scheduler, &[JobClass::Large, JobClass::Repair]);
            scheduler.record(class, 1, LARGE_JOB);
            assert_eq!(next(&scheduler, &JobClass::ALL), JobClass::Small);
        }
    }

    #[test]
    fn a_class_without_jobs_does_not_save_up_time() {
        let mut scheduler = Scheduler::default();
        (0..100).for_each(|_| scheduler.record(JobClass::Large, 1, LARGE_JOB));
        // After their share of the time, small jobs do not go first any more.
        (0..20).for_each(|_| scheduler.record(JobClass::Small, 1, LARGE_JOB));
        assert_eq!(next(&scheduler, &[JobClass::Small, JobClass::Large]), JobClass::Large);
    }

    #[test]
    fn short_jobs_are_taken_in_large_batches_and_long_jobs_one_by_one() {
        for (class, max) in
            [(JobClass::Small, MAX_SMALL_BATCH), (JobClass::Repair, MAX_OTHER_BATCH)]
        {
            let mut scheduler = Scheduler::default();
            assert_eq!(scheduler.batch_size(class), 1);
            for _ in 0..40 {
                scheduler.record(class, 4, Duration::from_micros(40));
            }
            assert_eq!(scheduler.batch_size(class), max);
            scheduler.record(class, 4, 4 * LARGE_JOB);
            assert_eq!(scheduler.batch_size(class), 1);
        }
    }
}
