//! Connections to one Redis, and how long anything may take there.
//!
//! A shared connection reconnects by itself and fails fast meanwhile: a request must not hang because the
//! cache does. Reading the queue and subscribing block by nature and get connections of their own.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client};

use crate::Error;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait for an answer on the shared connection. The slowest script takes milliseconds.
const ANSWER: Duration = Duration::from_secs(2);
/// Longest wait on a reading connection beyond the time that the read itself blocks.
const GRACE: Duration = Duration::from_secs(2);

/// The Redis that is configured. Cheap to clone; connects when it is used.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    shared: ConnectionManager,
}

impl Redis {
    /// Prepares connections to `url` (`redis://`, or `rediss://` for TLS verified against the system's
    /// certificates). Does not connect yet: Redis may come up later.
    ///
    /// # Errors
    /// [`Error::Address`] when `url` is not one. Must be called within a tokio runtime.
    pub fn open(url: &str) -> Result<Self, Error> {
        // Fails only when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::open(url).map_err(Error::Address)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let shared =
            ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(Error::Address)?;
        Ok(Self { client, shared })
    }

    /// Where it is, for a log: host and port, no password.
    #[must_use]
    pub fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// The shared connection.
    pub(crate) fn shared(&self) -> ConnectionManager {
        self.shared.clone()
    }

    /// A connection of its own for commands that block up to `block`.
    pub(crate) async fn blocking(&self, block: Duration) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(block + GRACE));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// A connection of its own for subscribing.
    pub(crate) async fn pubsub(&self) -> Result<PubSub, Error> {
        match tokio::time::timeout(CONNECT, self.client.get_async_pubsub()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(Error::Away(std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
        }
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// [`Error`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(redis::cmd("PING").query_async(&mut self.shared()).await?)
    }
}
