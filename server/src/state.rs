//! What the handlers share, behind an `Arc`.

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
    /// The highest index that may be submitted. For `/values`, readiness and the OpenAPI
    /// description.
    pub(crate) max_index: u32,
    /// For `GET /values/{index}` and `GET /indices`.
    pub(crate) pool: PgPool,
    /// For `GET /values/{index}`.
    pub(crate) cache: ValueCache,
    /// For the dead letters, readiness and metrics.
    pub(crate) monitor: QueueMonitor,
    /// Queues an index whose digits the cache has lost. For `GET /values/{index}`.
    pub(crate) producer: Producer,
    /// For `POST /values`.
    pub(crate) submissions: Submissions,
    /// For the event streams, and for `GET /values/{index}` while it waits for a result.
    pub(crate) events: Broadcaster,
    /// For the lists of submissions and of values.
    pub(crate) lists: Lists,
    /// One permit for each event stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// Bounds the memory of responses with all digits. For `GET /values/{index}`.
    pub(crate) memory_budget: MemoryBudget,
    /// For readiness.
    pub(crate) postgres_health: Arc<PostgresHealth>,
    /// Shutdown signal. Ends the event streams.
    pub(crate) shutdown: CancellationToken,
}
