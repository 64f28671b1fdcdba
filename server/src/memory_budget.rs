//! Bounds the memory of responses with all digits of a value, even when clients read slowly.
//!
//! A request acquires a permit for the size of its value before it reads the value from Redis. The
//! response body holds the permit until it is sent or dropped. Values below 1 KiB need no permit:
//! the number of connections bounds their memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use contract::Index;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Eight values of the default MAX_INDEX. Temporary copies double this, and ten thousand event
/// streams must fit into the container at the same time.
const BUDGET_KIB: u32 = 16 * 1024;
const PERMIT_TIMEOUT: Duration = Duration::from_secs(3);

/// A semaphore with one permit per KiB. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MemoryBudget(Arc<Semaphore>);

/// Memory that is reserved for one value.
pub(crate) type MemoryPermit = OwnedSemaphorePermit;

struct PermittedBytes {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held until the body is sent")]
    permit: MemoryPermit,
}

impl MemoryBudget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_KIB as usize)))
    }

    /// Waits up to `PERMIT_TIMEOUT` until F(`index`) fits into the budget.
    pub(crate) async fn acquire(&self, index: Index) -> Result<MemoryPermit, ApiError> {
        let permit = Arc::clone(&self.0).acquire_many_owned(size_in_kib(index));
        match tokio::time::timeout(PERMIT_TIMEOUT, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ApiError::too_many_values()),
        }
    }
}

/// A body that holds the permit until it is sent or dropped.
pub(crate) fn body(bytes: Vec<u8>, permit: MemoryPermit) -> Body {
    Body::from(Bytes::from_owner(PermittedBytes { bytes, permit }))
}

impl AsRef<[u8]> for PermittedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// F(n) has n·log10(φ) digits, a little more than n/5. A value that exceeds the budget takes all of
/// it.
fn size_in_kib(index: Index) -> u32 {
    (index.get() / 5 / 1024).min(BUDGET_KIB)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn index(number: u32) -> Index {
        Index::from_number(number.into(), Index::LARGEST).unwrap()
    }

    #[tokio::test]
    async fn a_body_holds_its_permit_until_it_is_dropped() {
        let budget = MemoryBudget::new();
        let mut bodies = Vec::new();
        for _ in 0..BUDGET_KIB / size_in_kib(index(10_000_000)) {
            bodies.push(body(b"digits".to_vec(), budget.acquire(index(10_000_000)).await.unwrap()));
        }
        assert!(budget.acquire(index(10_000_000)).now_or_never().is_none());
        bodies.pop();
        assert!(budget.acquire(index(10_000_000)).await.is_ok());
    }

    #[tokio::test]
    async fn a_small_value_needs_no_permit() {
        let budget = MemoryBudget::new();
        let _all = budget.acquire(index(Index::LARGEST)).await.unwrap();
        assert!(budget.acquire(index(10)).now_or_never().is_some_and(|permit| permit.is_ok()));
    }

    #[tokio::test]
    async fn the_largest_value_fits_when_it_is_alone() {
        let budget = MemoryBudget::new();
        let other = budget.acquire(index(10_000_000)).await.unwrap();
        assert!(budget.acquire(index(Index::LARGEST)).now_or_never().is_none());
        drop(other);
        assert!(budget.acquire(index(Index::LARGEST)).await.is_ok());
    }
}
