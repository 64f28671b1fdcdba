//! Errors of Redis, by what the caller can do about them.

use std::io::ErrorKind;

use tokio::time::error::Elapsed;

/// A failed call. `Display` is for the log and must not reach a user.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The URL is not a Redis URL: a configuration error.
    #[error("not a Redis address: {0}")]
    InvalidUrl(#[source] redis::RedisError),
    /// Redis did not answer, or not in time. Try again later.
    #[error("Redis is unavailable: {0}")]
    Unavailable(#[source] redis::RedisError),
    /// The stream or its consumer group is gone, as after Redis was emptied. Create it again with
    /// [`crate::Consumer::create_group`].
    #[error("the consumer group is gone")]
    NoGroup,
    /// Redis answered with an error: a key of the wrong type, no memory, a wrong password.
    #[error("Redis refused: {0}")]
    Refused(#[source] redis::RedisError),
}

impl From<Elapsed> for QueueError {
    fn from(_: Elapsed) -> Self {
        Self::Unavailable(std::io::Error::from(ErrorKind::TimedOut).into())
    }
}

impl From<redis::RedisError> for QueueError {
    fn from(error: redis::RedisError) -> Self {
        // A blocked reader gets UNBLOCKED when the stream is deleted.
        if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) {
            Self::NoGroup
        } else if error.code().is_some() && error.code() != Some("LOADING") {
            Self::Refused(error)
        } else {
            Self::Unavailable(error)
        }
    }
}
