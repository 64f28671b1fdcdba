//! Admission to the queue: when a class of jobs is full, refuses submissions before their commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use queue::{JobClass, PerClass, Producer};

/// Issues permits for jobs that will be added to the queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Admission {
    producer: Producer,
    reserved: Reserved,
}

/// Number of permits in use, by class.
type Reserved = Arc<Mutex<PerClass<u64>>>;

/// Reserves a queue slot for a submission until the queue length from Redis includes its job.
pub(super) struct QueuePermit {
    class: JobClass,
    reserved: Reserved,
}

impl Admission {
    pub(super) fn new(producer: Producer) -> Self {
        Self { producer, reserved: Arc::default() }
    }

    /// Returns `None` when `class` is full. Permits of other apis are not counted here, but
    /// `enqueue.lua` enforces the capacity too: an index beyond it is stored and queued later.
    pub(super) fn try_acquire(&self, class: JobClass) -> Option<QueuePermit> {
        let mut reserved = lock(&self.reserved);
        let in_use = &mut reserved[class];
        // Read the length under the lock: it then includes the job of every permit that was
        // dropped.
        if self.producer.queue_length(class) + *in_use >= self.producer.capacity(class) {
            return None;
        }
        *in_use += 1;
        Some(QueuePermit { class, reserved: Arc::clone(&self.reserved) })
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        lock(&self.reserved)[self.class] -= 1;
    }
}

fn lock(reserved: &Mutex<PerClass<u64>>) -> MutexGuard<'_, PerClass<u64>> {
    reserved.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(max_queue: usize) -> Admission {
        let redis = queue::RedisClient::open("redis://127.0.0.1:1").unwrap();
        Admission::new(Producer::new(redis, max_queue))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_requests_get_exactly_the_remaining_permits() {
        let admission = admission(40);
        admission
            .producer
            .note_queue_length(queue::QueueLength { by_class: PerClass([3, 0, 0]), at: 1 });
        for _ in 0..1_000 {
            let start = std::sync::Barrier::new(4);
            let permits = std::thread::scope(|scope| {
                let acquire = || {
                    start.wait();
                    (0..10)
                        .filter_map(|_| admission.try_acquire(JobClass::Small))
                        .collect::<Vec<_>>()
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(acquire)).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(permits.len(), 17);
        }
    }

    #[tokio::test]
    async fn a_dropped_permit_can_be_acquired_again() {
        let admission = admission(1);
        let permit = admission.try_acquire(JobClass::Large);
        assert!(permit.is_some() && admission.try_acquire(JobClass::Large).is_none());
        drop(permit);
        assert!(admission.try_acquire(JobClass::Large).is_some());
    }

    #[tokio::test]
    async fn a_full_class_does_not_fill_the_others() {
        let admission = admission(4);
        let large = admission.try_acquire(JobClass::Large);
        assert!(large.is_some() && admission.try_acquire(JobClass::Large).is_none());
        assert!(admission.try_acquire(JobClass::Small).is_some());
    }
}
