//! Which class of jobs an executor takes next, and how many of them.
//!
//! Start-time fair queueing: a class's start tag is its last finish tag, or the virtual time if
//! that is later, so that idle time is not saved up. The class with the lowest start tag goes
//! first. Its finish tag is then the start tag plus the time that its jobs took, divided by its
//! weight. The virtual time is the start tag of the class that ran last.

use std::time::Duration;

use queue::{JobClass, PerClass};

/// Expected duration of the jobs that are taken at once.
pub(crate) const BATCH_DURATION: Duration = Duration::from_millis(5);
/// Small jobs that are taken at once, at most.
const MAX_SMALL_BATCH: usize = 64;
/// Jobs of the other classes, whose sizes differ much: others would wait for a batch of large ones.
const MAX_OTHER_BATCH: usize = 4;

#[derive(Default)]
pub(crate) struct Scheduler {
    classes: PerClass<ClassState>,
    virtual_time: Duration,
}

struct ClassState {
    finish_tag: Duration,
    /// Estimated duration of a job, from those that were run.
    job_duration: Duration,
}

impl Default for ClassState {
    fn default() -> Self {
        Self { finish_tag: Duration::ZERO, job_duration: BATCH_DURATION }
    }
}

impl Scheduler {
    /// All classes, the one that goes first at the front, and how many jobs to take if it is that
    /// one.
    pub(crate) fn preference(&self) -> [(JobClass, usize); 3] {
        let mut classes = JobClass::ALL;
        // Stable: of equals, small jobs go first.
        classes.sort_by_key(|class| self.start_tag(*class));
        classes.map(|class| (class, self.batch_size(class)))
    }

    /// Records that `count` jobs of `class` took `duration` in all.
    pub(crate) fn record(&mut self, class: JobClass, count: usize, duration: Duration) {
        self.virtual_time = self.start_tag(class);
        let state = &mut self.classes[class];
        state.finish_tag = self.virtual_time + duration / weight(class);
        if let Some(each) = duration.checked_div(u32::try_from(count).unwrap_or(u32::MAX)) {
            // Up at once, down gradually: a large job is likely followed by another.
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

/// Share of an executor's time while all classes have jobs.
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

    /// The next class that has jobs.
    fn next(scheduler: &Scheduler, waiting: &[JobClass]) -> JobClass {
        let preference = scheduler.preference();
        preference
            .into_iter()
            .map(|(class, _)| class)
            .find(|class| waiting.contains(class))
            .unwrap()
    }

    #[test]
    fn classes_that_always_have_jobs_get_their_shares() {
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
    fn a_small_job_goes_first_while_others_wait() {
        let mut scheduler = Scheduler::default();
        for _ in 0..100 {
            let class = next(&scheduler, &[JobClass::Large, JobClass::Repair]);
            scheduler.record(class, 1, LARGE_JOB);
            assert_eq!(next(&scheduler, &JobClass::ALL), JobClass::Small);
        }
    }

    #[test]
    fn a_class_does_not_save_up_time() {
        let mut scheduler = Scheduler::default();
        (0..100).for_each(|_| scheduler.record(JobClass::Large, 1, LARGE_JOB));
        // Once small jobs have had their share, the large ones go again.
        (0..20).for_each(|_| scheduler.record(JobClass::Small, 1, LARGE_JOB));
        assert_eq!(next(&scheduler, &[JobClass::Small, JobClass::Large]), JobClass::Large);
    }

    #[test]
    fn batches_of_short_jobs_are_large_and_large_jobs_are_taken_singly() {
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
