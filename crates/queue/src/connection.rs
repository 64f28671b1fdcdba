//! Connections to one Redis, and their timeouts.
//!
//! The shared connection reconnects automatically. Calls fail fast meanwhile, so that no HTTP
//! request waits for a Redis that is unavailable. The module `health` replaces the shared
//! connection when it leads to a Redis that no longer accepts writes. Blocking commands,
//! subscriptions and large results have dedicated connections.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client};
use tokio::sync::watch;

use crate::QueueError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest wait for a reply, in addition to the time that a command may block. The slowest script
/// takes milliseconds.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the shared connection retries to connect before the waiting commands fail.
const CONNECT_RETRIES: usize = 1;
/// Delay before that retry; jitter is added.
const CONNECT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A dedicated connection, for blocking commands and large values. Does not reconnect.
pub type Connection = MultiplexedConnection;

/// The configured Redis. Cheap to clone; connects on first use.
#[derive(Clone)]
pub struct RedisClient {
    client: Client,
    shared: Arc<RwLock<ConnectionManager>>,
    pub(crate) is_writable: watch::Sender<bool>,
    /// Incremented when Redis accepts writes again after the shared connection was replaced.
    pub(crate) replacements: watch::Sender<u64>,
}

impl RedisClient {
    /// Prepares connections to `url` (`redis://`, or `rediss://` for TLS verified against the
    /// system's certificates). Does not connect, so Redis may start later.
    pub fn open(url: &str) -> Result<Self, QueueError> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::open(url).map_err(QueueError::InvalidUrl)?;
        let shared = Arc::new(RwLock::new(manager(&client).map_err(QueueError::InvalidUrl)?));
        let (is_writable, replacements) = (watch::Sender::new(true), watch::Sender::new(0));
        Ok(Self { client, shared, is_writable, replacements })
    }

    /// Host and port for log messages, without the password.
    #[must_use]
    pub fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    pub(crate) fn shared(&self) -> ConnectionManager {
        self.shared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the shared connection. `ConnectionManager` itself reconnects only when the
    /// connection breaks.
    pub(crate) fn replace_shared(&self) {
        if let Ok(fresh) = manager(&self.client) {
            *self.shared.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }

    /// A dedicated connection for commands that block for at most `block`.
    pub(crate) async fn dedicated(&self, block: Duration) -> Result<Connection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(block + RESPONSE_TIMEOUT));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// A dedicated connection for subscriptions.
    pub(crate) async fn pubsub(&self) -> Result<PubSub, QueueError> {
        Ok(tokio::time::timeout(CONNECT_TIMEOUT, self.client.get_async_pubsub()).await??)
    }
}

fn manager(client: &Client) -> redis::RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(CONNECT_RETRIES)
        .set_min_delay(CONNECT_RETRY_DELAY)
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
