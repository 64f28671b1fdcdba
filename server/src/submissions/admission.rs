//! Admission to the queue: refuses new work before it is committed when its class is full.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use queue::{JobClass, PerClass, Producer};

/// Issues permits for jobs on their way into the queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Admission {
    producer: Producer,
    reserved: Reserved,
}

/// Permits that are held, by class.
type Reserved = Arc<Mutex<PerClass<u64>>>;

/// Reserves a slot of the queue for a submission until Redis has counted it.
pub(super) struct QueuePermit {
    class: JobClass,
    reserved: Reserved,
}

impl Admission {
    pub(super) fn new(producer: Producer) -> Self {
        Self { producer, reserved: Arc::default() }
    }

    /// `None` when `class` is full. Jobs that other apis are adding are not counted here. Redis
    /// enforces the bound as well: an index beyond it is stored, and queued later.
    pub(super) fn try_acquire(&self, class: JobClass) -> Option<QueuePermit> {
        let mut reserved = lock(&self.reserved);
        let held = &mut reserved[class];
        // Read under the lock: a permit that is not counted any more has its job in this length.
        if self.producer.queue_length(class) + *held >= self.producer.capacity(class) {
            return None;
        }
        *held += 1;
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
    async fn concurrent_requests_get_exactly_the_permits_that_are_left() {
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
