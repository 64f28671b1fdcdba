//! The state that the handlers share.

use std::sync::Arc;

use queue::{Producer, QueueMonitor, ValueCache};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Broadcaster;
use crate::lists::Lists;
use crate::memory_budget::MemoryBudget;
use crate::postgres_health::PostgresHealth;
use crate::submissions::Submissions;

pub(crate) struct AppState {
    /// The highest index that may be submitted.
    pub(crate) max_index: u32,
    pub(crate) pool: PgPool,
    pub(crate) cache: ValueCache,
    pub(crate) monitor: QueueMonitor,
    /// Queues an index whose digits are requested but no longer cached.
    pub(crate) producer: Producer,
    pub(crate) submissions: Submissions,
    /// For the event streams, and for `GET /values/{index}` while it waits for a result.
    pub(crate) events: Broadcaster,
    pub(crate) lists: Lists,
    /// One permit per event stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Bounds the memory of responses with all digits of a value.
    pub(crate) memory_budget: MemoryBudget,
    pub(crate) postgres_health: Arc<PostgresHealth>,
    /// The shutdown signal, which ends the event streams.
    pub(crate) shutdown: CancellationToken,
}
