//! Shares a read among concurrent callers.
//!
//! Callers that arrive during a read share the next one. Its result was read after they called, so
//! a client always finds its own latest submission. By hand, because single-flight crates let
//! callers join the read in progress, which began before they called.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// Runs one read at a time. Cheap to clone.
pub(crate) struct SharedRead<T> {
    /// The read that has not begun yet, if there is one.
    next: Arc<Mutex<Option<Shared<BoxFuture<'static, T>>>>>,
    /// Locked by the read in progress.
    in_progress: Arc<tokio::sync::Mutex<()>>,
}

impl<T> Default for SharedRead<T> {
    fn default() -> Self {
        Self { next: Arc::default(), in_progress: Arc::default() }
    }
}

impl<T> Clone for SharedRead<T> {
    fn clone(&self) -> Self {
        Self { next: Arc::clone(&self.next), in_progress: Arc::clone(&self.in_progress) }
    }
}

impl<T: Clone + Send + Sync + 'static> SharedRead<T> {
    /// Returns the result of a read that began after this call: of `read`, or of the one that a
    /// concurrent caller passed.
    pub(crate) async fn get(&self, read: impl Future<Output = T> + Send + 'static) -> T {
        let shared = {
            let (next, in_progress) = (Arc::clone(&self.next), Arc::clone(&self.in_progress));
            let new_read = || {
                let next_read = async move {
                    let _guard = in_progress.lock_owned().await;
                    // This read begins, so later callers must not join it.
                    next.lock().unwrap_or_else(PoisonError::into_inner).take();
                    read.await
                };
                next_read.boxed().shared()
            };
            self.next
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(new_read)
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

    /// Counts its reads, each of which waits for a permit.
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

    /// Calls [`SharedRead::get`], and returns while the read is pending.
    async fn call<'a>(shared: &'a SharedRead<usize>, source: &Arc<Source>) -> BoxFuture<'a, usize> {
        let mut call = shared.get(read(Arc::clone(source))).boxed();
        assert!(futures_util::poll!(&mut call).is_pending());
        call
    }

    #[tokio::test]
    async fn callers_during_a_read_share_the_next_one() {
        let (shared, source) = (SharedRead::default(), source());
        let first = call(&shared, &source).await;
        let others = [
            call(&shared, &source).await,
            call(&shared, &source).await,
            call(&shared, &source).await,
        ];
        source.permits.add_permits(2);
        assert_eq!(first.await, 1, "it began before the other calls");
        for other in others {
            assert_eq!(other.await, 2, "the other calls share a read");
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_abandoned_read_does_not_block_the_next_caller() {
        let (shared, source) = (SharedRead::default(), source());
        drop(call(&shared, &source).await);
        source.permits.add_permits(1);
        assert_eq!(shared.get(read(Arc::clone(&source))).await, 2);
    }

    #[tokio::test]
    async fn a_cancelled_read_is_run_for_the_next_caller() {
        let (shared, source) = (SharedRead::default(), source());
        let first = call(&shared, &source).await;
        drop(call(&shared, &source).await);
        let next = call(&shared, &source).await;
        source.permits.add_permits(2);
        assert_eq!((first.await, next.await), (1, 2));
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }
}
