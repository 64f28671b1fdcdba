//! One read for all concurrent callers.
//!
//! Callers that come while a read is under way share the next one: what they get was read after
//! they called, so a client always finds what it has just submitted. By hand, because a
//! single-flight crate has callers join the read that is under way.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// Reads of one kind. Cheap to clone.
pub(crate) struct SharedRead<T> {
    /// The read that has not begun yet, if anyone waits for it.
    next: Arc<Mutex<Option<Shared<BoxFuture<'static, T>>>>>,
    /// Held by the read that is under way.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl<T> Default for SharedRead<T> {
    fn default() -> Self {
        Self { next: Arc::default(), reading: Arc::default() }
    }
}

impl<T> Clone for SharedRead<T> {
    fn clone(&self) -> Self {
        Self { next: Arc::clone(&self.next), reading: Arc::clone(&self.reading) }
    }
}

impl<T: Clone + Send + Sync + 'static> SharedRead<T> {
    /// What was read after this was called: by `read`, or by that of a concurrent caller.
    pub(crate) async fn get(&self, read: impl Future<Output = T> + Send + 'static) -> T {
        let shared = {
            let (next, reading) = (Arc::clone(&self.next), Arc::clone(&self.reading));
            let begin = || {
                let next_read = async move {
                    let _guard = reading.lock_owned().await;
                    // Callers from now on may want to know more than this read will tell.
                    next.lock().unwrap_or_else(PoisonError::into_inner).take();
                    read.await
                };
                next_read.boxed().shared()
            };
            self.next
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(begin)
                .clone()
        };
        shared.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Counts its reads; each waits for a permit.
    struct Source {
        reads: AtomicUsize,
        permits: Semaphore,
    }

    fn source() -> Arc<Source> {
        Arc::new(Source { reads: AtomicUsize::new(0), permits: Semaphore::new(0) })
    }

    async fn read(source: Arc<Source>) -> usize {
        let number = source.reads.fetch_add(1, Ordering::Relaxed) + 1;
        source.permits.acquire().await.unwrap().forget();
        number
    }

    /// Calls it, and returns while the read has not ended.
    async fn ask<'a>(shared: &'a SharedRead<usize>, source: &Arc<Source>) -> BoxFuture<'a, usize> {
        let mut asking = shared.get(read(Arc::clone(source))).boxed();
        assert!(futures_util::poll!(&mut asking).is_pending());
        asking
    }

    #[tokio::test]
    async fn callers_during_a_read_share_the_next_one() {
        let (shared, source) = (SharedRead::default(), source());
        let first = ask(&shared, &source).await;
        let others =
            [ask(&shared, &source).await, ask(&shared, &source).await, ask(&shared, &source).await];
        source.permits.add_permits(2);
        assert_eq!(first.await, 1, "it began before the others asked");
        for other in others {
            assert_eq!(other.await, 2, "they share one");
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_any_more_holds_nobody_up() {
        let (shared, source) = (SharedRead::default(), source());
        drop(ask(&shared, &source).await);
        source.permits.add_permits(1);
        assert_eq!(shared.get(read(Arc::clone(&source))).await, 2);
    }

    #[tokio::test]
    async fn a_cancelled_read_is_run_for_the_next_caller() {
        let (shared, source) = (SharedRead::default(), source());
        let first = ask(&shared, &source).await;
        drop(ask(&shared, &source).await);
        let next = ask(&shared, &source).await;
        source.permits.add_permits(2);
        assert_eq!((first.await, next.await), (1, 2));
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }
}
