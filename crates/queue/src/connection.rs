//! Connections to one Redis, and how long anything may take there.
//!
//! A shared connection reconnects by itself and fails fast meanwhile: a request must not hang because the
//! cache does. Reading the queue and subscribing block by nature and get connections of their own; what is read from the
//! queue is stored on the same one, large as it may be.
//!
//! A Redis that vanishes without a word (its host, or the network before it) is noticed by the answers that do not come;
//! TCP itself would go on trying for a quarter of an hour.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client};

use crate::Error;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait for an answer on the shared connection. The slowest script takes milliseconds.
pub(crate) const ANSWER: Duration = Duration::from_secs(2);
/// Pause between two looks whether the shared connection is alive.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for an answer on a connection of somebody's own, beyond the time that reading may block.
const GRACE: Duration = Duration::from_secs(2);

/// A connection of somebody's own, for what blocks and what is large. It does not reconnect.
pub type Connection = MultiplexedConnection;

/// The Redis that is configured. Cheap to clone; connects when it is used.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    shared: Arc<RwLock<ConnectionManager>>,
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
        let shared = Arc::new(RwLock::new(manager(&client).map_err(Error::Address)?));
        tokio::spawn(watch(Arc::downgrade(&shared), client.clone()));
        Ok(Self { client, shared })
    }

    /// Where it is, for a log: host and port, no password.
    #[must_use]
    pub fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// The shared connection.
    pub(crate) fn shared(&self) -> ConnectionManager {
        current(&self.shared)
    }

    /// A connection of its own for commands that block up to `block`.
    pub(crate) async fn blocking(&self, block: Duration) -> Result<Connection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(block + GRACE));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// A connection of its own for subscribing.
    pub(crate) async fn pubsub(&self) -> Result<PubSub, Error> {
        match tokio::time::timeout(CONNECT, self.client.get_async_pubsub()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(Error::too_late()),
        }
    }
}

fn current(shared: &RwLock<ConnectionManager>) -> ConnectionManager {
    shared.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn manager(client: &Client) -> redis::RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// Replaces the shared connection when no answer comes through it, for as long as it is used. The manager does so only when
/// it is told that the connection has ended: a late answer is none of its business.
async fn watch(shared: Weak<RwLock<ConnectionManager>>, client: Client) {
    while let Some(mut connection) = shared.upgrade().map(|shared| current(&shared)) {
        let answer: redis::RedisResult<()> = redis::cmd("PING").query_async(&mut connection).await;
        if answer.is_err_and(|error| error.is_timeout())
            && let (Some(shared), Ok(fresh)) = (shared.upgrade(), manager(&client))
        {
            *shared.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        tokio::time::sleep(LOOK).await;
    }
}
