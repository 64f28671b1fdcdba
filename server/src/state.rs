//! What every handler can reach. Shared by all requests.
//!
//! It is made once, in `application`, and has no logic: what a handler does with these is in its own module.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use queue::{Cache, Producer};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::relay::Relay;
use crate::room::Room;
use crate::submissions::Submissions;

/// What every handler can reach.
pub(crate) struct AppState {
    /// The highest index that may be submitted. Read by the routes of values.
    pub(crate) max_index: u32,
    /// The truth. Read by the lists, by the digits of an index, by readiness.
    pub(crate) pool: PgPool,
    /// What is known. Read by everything that shows values.
    pub(crate) cache: Cache,
    /// Asks for digits that are gone. Used by the digits of an index.
    pub(crate) producer: Producer,
    /// Commits and queues. Used by `POST /values`.
    pub(crate) submissions: Submissions,
    /// Events as they happen. Read by the event streams and by whoever waits for digits.
    pub(crate) relay: Relay,
    /// Lists that are read once for all who ask at the same time. Used by the routes of lists.
    pub(crate) lists: crate::routes::Lists,
    /// A permit for each event stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// Room for whole numbers on their way. Taken by the digits of an index.
    pub(crate) room: Room,
    /// What background tasks have found out.
    pub(crate) vitals: Arc<Vitals>,
    /// Ends event streams when the process stops.
    pub(crate) token: CancellationToken,
    /// The description of the api, and the page made of it.
    pub(crate) docs: Arc<crate::routes::Docs>,
}

/// What background tasks have found out.
#[derive(Default)]
pub(crate) struct Vitals {
    migrated: AtomicBool,
}

impl Vitals {
    /// Whether the schema is in place.
    pub(crate) fn is_migrated(&self) -> bool {
        self.migrated.load(Ordering::Relaxed)
    }

    /// The schema is in place.
    pub(crate) fn set_migrated(&self) {
        self.migrated.store(true, Ordering::Relaxed);
    }
}
