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
    /// A stream or its consumer group is gone, as after Redis was emptied. Create it again with
    /// [`crate::Consumer::create_groups`].
    #[error("the consumer group is gone")]
    NoGroup,
    /// The connection leads to a node that does not accept writes, as after a failover. A new
    /// connection may lead to the right one.
    #[error("connected to a node that does not accept writes: {0}")]
    WrongNode(#[source] redis::RedisError),
    /// Redis answered with an error: no memory or disk, a key of the wrong type, a wrong password.
    #[error("Redis refused: {0}")]
    Refused(#[source] redis::RedisError),
}

impl QueueError {
    /// Whether the call may succeed as soon as Redis is reached again.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::WrongNode(_))
    }

    /// Whether trying again on the same connection is no use.
    pub(crate) fn needs_new_connection(&self) -> bool {
        match self {
            Self::WrongNode(_) => true,
            // The manager itself reconnects after an error of the connection, but not after one of
            // the handshake, such as a wrong password.
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
        // The reason of an aborted transaction is the error of its first command.
        let first = error.clone().into_server_errors().and_then(|errors| errors.first().cloned());
        let error = first.map_or(error, |(_, first)| first.into());
        match error.code() {
            // A blocked reader gets UNBLOCKED when the stream is deleted.
            Some("NOGROUP" | "UNBLOCKED") => Self::NoGroup,
            Some("READONLY" | "MASTERDOWN" | "MOVED" | "ASK" | "CLUSTERDOWN") => {
                Self::WrongNode(error)
            }
            // It loads its data after a start.
            None | Some("LOADING") => Self::Unavailable(error),
            Some(_) => Self::Refused(error),
        }
    }
}
