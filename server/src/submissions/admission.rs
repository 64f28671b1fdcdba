//! Admission to the queue: refuses new work before it is committed when the queue is full.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use queue::Producer;

/// Hands out permits for jobs on their way into the queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Admission {
    producer: Producer,
    capacity: u64,
    /// Permits that are held.
    reserved: Arc<Mutex<u64>>,
}

/// Reserves a slot of the queue for a submission until Redis has counted it.
pub(super) struct QueuePermit(Arc<Mutex<u64>>);

impl Admission {
    pub(super) fn new(producer: Producer, capacity: u64) -> Self {
        Self { producer, capacity, reserved: Arc::default() }
    }

    /// `None` when the queue is full. Jobs that other apis are about to add are not counted here;
    /// Redis enforces the bound all the same, and such an index is queued later.
    pub(super) fn try_acquire(&self) -> Option<QueuePermit> {
        let mut reserved = lock(&self.reserved);
        // Read under the lock: a permit that is not counted any more has its job in this length.
        if self.producer.queue_length() + *reserved >= self.capacity {
            return None;
        }
        *reserved += 1;
        Some(QueuePermit(Arc::clone(&self.reserved)))
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        *lock(&self.0) -= 1;
    }
}

fn lock(reserved: &Mutex<u64>) -> MutexGuard<'_, u64> {
    reserved.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(capacity: u64) -> Admission {
        let redis = queue::RedisClient::open("redis://127.0.0.1:1").unwrap();
        Admission::new(Producer::new(redis, capacity as usize), capacity)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_requests_get_exactly_the_permits_that_are_left() {
        let admission = admission(20);
        admission.producer.note_queue_length(queue::QueueLength { jobs: 3, at: 1 });
        for _ in 0..1_000 {
            let start = std::sync::Barrier::new(4);
            let permits = std::thread::scope(|scope| {
                let acquire = || {
                    start.wait();
                    (0..10).filter_map(|_| admission.try_acquire()).collect::<Vec<_>>()
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
        let permit = admission.try_acquire();
        assert!(permit.is_some() && admission.try_acquire().is_none());
        drop(permit);
        assert!(admission.try_acquire().is_some());
    }
}
