//! What can go wrong between us and Redis, sorted by what the caller can do about it.
//!
//! There is no face for users here: what an error means for a request is for the server to say, in the words of its own.

/// A failed call. `Display` is for the log; nothing of it is meant for a user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one: a configuration error.
    #[error("not a Redis address: {0}")]
    Address(#[source] redis::RedisError),
    /// Redis did not answer, or not in time. Worth another try later.
    #[error("Redis is away: {0}")]
    Away(#[source] redis::RedisError),
    /// The stream or its consumer group is gone, as after Redis was emptied. Make it anew.
    #[error("the consumer group is gone")]
    NoGroup,
    /// Redis answered, and refused: a key of the wrong type, no memory, a wrong password.
    #[error("Redis refused: {0}")]
    Refused(#[source] redis::RedisError),
}

impl Error {
    /// No answer came in the time there was for it.
    pub(crate) fn too_late() -> Self {
        Self::Away(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        // UNBLOCKED is what a reader is told whose stream vanishes while it waits.
        if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) {
            Self::NoGroup
        } else if error.code().is_some() && error.code() != Some("LOADING") {
            Self::Refused(error)
        } else {
            Self::Away(error)
        }
    }
}
