//! Room for whole numbers on their way to their readers: bytes that may be in memory at once, however slow the readers are.
//!
//! A number takes its place before Redis is asked for it, by the size that its index tells, and keeps it until the last byte is
//! with the kernel. Small ones take none: connections are bounded, and so are these.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use contract::Index;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// KiB that numbers on their way may take: eight of the largest that MAX_INDEX allows by itself. What is made of them and freed
/// costs as much again, and ten thousand event streams are to fit beside them into the container's memory.
const ROOM: u32 = 16 * 1024;
/// How long a number waits for its place.
const PATIENCE: Duration = Duration::from_secs(3);

/// Room for whole numbers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

/// The place of one number.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A number, or what is made of it, and its place.
struct Placed {
    bytes: Vec<u8>,
    _place: Place,
}

impl Room {
    /// All of it is free.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM as usize)))
    }

    /// The place for F(`index`); waits a little for it.
    ///
    /// # Errors
    /// [`Error::no_room`] when others keep theirs for too long.
    pub(crate) async fn take(&self, index: Index) -> Result<Place, Error> {
        let place = Arc::clone(&self.0).acquire_many_owned(kib(index));
        match tokio::time::timeout(PATIENCE, place).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::no_room()),
        }
    }
}

impl Place {
    /// A body that keeps the place until it is sent, or given up.
    pub(crate) fn body(self, bytes: Vec<u8>) -> Body {
        Body::from(Bytes::from_owner(Placed { bytes, _place: self }))
    }
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// F(n) has a little more than n/5 digits. One that is larger than all there is has it for itself.
fn kib(index: Index) -> u32 {
    (index.get() / 5 / 1024).min(ROOM)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn index(number: u32) -> Index {
        Index::from_number(number.into(), Index::LARGEST).unwrap()
    }

    #[tokio::test]
    async fn a_number_keeps_its_place_until_its_body_is_gone() {
        let room = Room::new();
        let mut bodies = Vec::new();
        for _ in 0..ROOM / kib(index(10_000_000)) {
            bodies.push(room.take(index(10_000_000)).await.unwrap().body(b"digits".to_vec()));
        }
        assert!(room.take(index(10_000_000)).now_or_never().is_none(), "there is no room");
        assert!(room.take(index(10)).await.is_ok(), "small ones need no place");
        bodies.pop();
        assert!(room.take(index(10_000_000)).await.is_ok());
    }

    #[tokio::test]
    async fn the_largest_number_finds_a_place_when_all_others_are_gone() {
        let room = Room::new();
        let other = room.take(index(10_000_000)).await.unwrap();
        assert!(room.take(index(Index::LARGEST)).now_or_never().is_none(), "there is no room");
        drop(other);
        assert!(room.take(index(Index::LARGEST)).await.is_ok());
    }
}
