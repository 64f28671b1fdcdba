//! Errors of Redis, grouped by what the caller can do about them.

use std::io::ErrorKind;

use tokio::time::error::Elapsed;

/// A failed call. `Display` is for the log and must not reach a user.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The URL is not a Redis URL: a configuration error.
    #[error("not a Redis address: {0}")]
    InvalidUrl(#[source] redis::RedisError),
    /// Redis cannot be reached, does not answer in time, is still loading its data, or rejects the
    /// password when a connection is opened. Try again later.
    #[error("Redis is unavailable: {0}")]
    Unavailable(#[source] redis::RedisError),
    /// A stream or its consumer group does not exist, for example because Redis was emptied. Create
    /// it with [`crate::Consumer::create_groups`].
    #[error("the consumer group is gone")]
    NoGroup,
    /// The connection leads to a node that does not accept writes, for example after a failover. A
    /// new connection may lead to the right node.
    #[error("connected to a node that does not accept writes: {0}")]
    WrongNode(#[source] redis::RedisError),
    /// Redis answered with another error, for example for lack of memory, disk space or permission,
    /// or because a key has the wrong type.
    #[error("Redis refused: {0}")]
    Refused(#[source] redis::RedisError),
}

impl QueueError {
    /// Whether Redis is unavailable or failing over, so that the same call may succeed later.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::WrongNode(_))
    }

    /// Whether the shared connection must be replaced before the next call.
    pub(crate) fn needs_new_connection(&self) -> bool {
        match self {
            Self::WrongNode(_) => true,
            // `ConnectionManager` reconnects after other I/O errors, but neither after a timeout
            // nor after a failed handshake, such as a wrong password.
            Self::Unavailable(error) => error.is_timeout() || !error.is_io_error(),
            Self::InvalidUrl(_) | Self::NoGroup | Self::Refused(_) => false,
        }
    }
}

impl From<Elapsed> for QueueError {
    fn from(_: Elapsed) -> Self {
        Self::Unavailable(std::io::Error::from(ErrorKind::TimedOut).into())
    }
}

impl From<redis::RedisError> for QueueError {
    fn from(error: redis::RedisError) -> Self {
        // An aborted transaction has the errors of its commands; the first is the cause.
        let first = error.clone().into_server_errors().and_then(|errors| errors.first().cloned());
        let error = first.map_or(error, |(_, first)| first.into());
        match error.code() {
            // A reader that blocks on a stream gets UNBLOCKED when the stream is deleted.
            Some("NOGROUP" | "UNBLOCKED") => Self::NoGroup,
            Some("READONLY" | "MASTERDOWN" | "MOVED" | "ASK" | "CLUSTERDOWN") => {
                Self::WrongNode(error)
            }
            // Errors of the client have no code. LOADING: Redis reads its data after a start.
            None | Some("LOADING") => Self::Unavailable(error),
            Some(_) => Self::Refused(error),
        }
    }
}
