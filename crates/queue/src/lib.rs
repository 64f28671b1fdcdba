//! Everything that knows a Redis key or channel: the queue, the cache of values, the events.
//!
//! Redis is a cache here. Postgres holds every accepted index, so each key below may vanish at any instant
//! and is made anew by the server's reconciliation; what is lost is time. Every change that touches more than
//! one key is one Lua script (`src/*.lua`), so that no reader and no crash ever sees half of it.
//!
//! | key or channel | type | what |
//! |---|---|---|
//! | `values` | hash | index → value as lists show it, or `Nothing yet!`; the newest 1,000 indices |
//! | `values:recent` | sorted set | the indices of `values` by their newest submission's id: what to drop first |
//! | `value:<index>` | string | the whole digits of a value, packed when there are many; expires, may be evicted, is computed anew on demand |
//! | `jobs` | stream, group `workers` | the queue: an entry is one job, deleted when its result is stored |
//! | `jobs:queued` | hash | index → entry of `jobs`: an index is in the queue at most once |
//! | `jobs:dead` | stream | the dead letters: jobs that were delivered too often |
//! | `jobs:dead:indices` | hash | index → entry of `jobs:dead`; delete a field to have that index tried again |
//! | `workers` | sorted set | name of a worker → its last sign of life, in s by Redis's clock |
//! | `insert` | channel | every index that enters the queue, as in the original |
//! | `results` | channel | [`Event`]s: what the server turns into server-sent events |
//!
//! The crate deliberately knows nothing of HTTP, SQL or how a Fibonacci number is calculated.

mod cache;
mod connection;
mod consumer;
mod error;
mod events;
mod keys;
mod packed;
mod producer;
mod scripts;
mod subscription;

pub use cache::{Cache, Shown, Stats};
pub use connection::{Connection, Redis};
pub use consumer::{Consumer, Done, Job, Reclaimed};
pub use error::Error;
pub use events::{Event, now_micros};
pub use keys::{CURRENT_VALUES, INSERT, RESULTS, VALUES};
pub use producer::{Enqueued, Producer, Request};
pub use subscription::{Channel, Subscription};
