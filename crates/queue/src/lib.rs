//! All access to Redis: the job queue, the cache of values and the event channels.
//!
//! Redis is a cache here. Postgres holds every accepted index, so Redis may lose each key below at
//! any time: the server's reconciliation queues and lists again what is missing. Keys that must
//! agree change in one Lua script (`src/scripts/*.lua`), so that no client sees an intermediate
//! state.
//!
//! `values` and `values:recent` are the *lists*: an index is *listed* if it is in either of them.
//!
//! | key or channel | type | content |
//! |---|---|---|
//! | `values` | hash | index → value as lists show it ([`contract::abbreviate`]), or `Nothing yet!`; the newest 1,000 indices |
//! | `values:recent` | sorted set | the listed indices by id of their newest submission; the lowest id is evicted first |
//! | `value:<index>` | string | all digits of a value, packed if there are many; expires, may be evicted, is computed again on demand |
//! | `jobs`, `jobs:large`, `jobs:repair` | stream, group `workers` | the queue, a stream for each [`JobClass`]; an entry is a job, and is deleted when the job is completed or dead-lettered |
//! | `jobs:queued` | hash | index → id of its job; keeps an index in the queue at most once |
//! | `jobs:dead` | stream | the dead letters: jobs that were delivered too often |
//! | `jobs:dead:indices` | hash | index → entry of `jobs:dead`; the index is not queued again until [`DeadLetters::retry`] |
//! | `workers` | sorted set | name of a worker → its last heartbeat, in s by Redis's clock |
//! | `workers:last-heartbeat` | string | time in ms of the last heartbeat or reclaim of any worker; a gap is an outage |
//! | `health` | string | written every second to prove that Redis accepts writes; expires |
//! | `insert` | channel | every index that enters the queue, as in the original application |
//! | `results` | channel | [`QueueEvent`]s, which the server sends to browsers as server-sent events |

#![warn(missing_docs)]

mod connection;
mod consumer;
mod dead_letters;
mod error;
mod events;
mod health;
mod job;
mod job_class;
mod keys;
mod monitor;
mod packed;
mod producer;
mod queue_length;
mod repair;
mod scripts;
mod subscription;
mod value_cache;

pub use connection::{Connection, RedisClient};
pub use consumer::{Consumer, ReclaimOutcome};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use error::QueueError;
pub use events::{QueueEvent, now_micros};
pub use health::UnsupportedRedis;
pub use job::{CompletedJob, Job};
pub use job_class::{JobClass, PerClass};
pub use keys::MAX_CURRENT_VALUES;
pub use monitor::{QueueMonitor, QueueStats};
pub use producer::Producer;
pub use queue_length::QueueLength;
pub use repair::{ListedEntry, Repair};
pub use subscription::{Channel, Subscription};
pub use value_cache::{CachedValue, ValueCache};
