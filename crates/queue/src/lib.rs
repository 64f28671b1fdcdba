//! Everything that knows a Redis key or channel: the queue, the cache of values, the events.
//!
//! Redis is a cache here. Postgres holds every accepted index, so each key below may vanish at any
//! instant and is rebuilt by the server's reconciliation; only time is lost. Every change of more
//! than one key is one Lua script (`src/scripts/*.lua`), so that no reader and no crash ever sees
//! half of it.
//!
//! | key or channel | type | what |
//! |---|---|---|
//! | `values` | hash | index → value as lists show it, or `Nothing yet!`; the newest 1,000 indices |
//! | `values:recent` | sorted set | the indices of `values` by the id of their newest submission: the lowest are dropped first |
//! | `value:<index>` | string | the whole digits of a value, packed when there are many; expires, may be evicted, is computed again on demand |
//! | `jobs`, `jobs:large`, `jobs:repair` | stream, group `workers` | the queue, by [`JobClass`]: an entry is a job, deleted when its result is stored |
//! | `jobs:queued` | hash | index → id of its job: an index is in the queue at most once |
//! | `jobs:dead` | stream | the dead letters: jobs that were delivered too often |
//! | `jobs:dead:indices` | hash | index → entry of `jobs:dead`; [`DeadLetters::retry`] lets an index be queued again |
//! | `workers` | sorted set | name of a worker → its last heartbeat, in s by Redis's clock |
//! | `workers:last-heartbeat` | string | time in ms of any worker's last heartbeat or reclaim; a gap is an outage |
//! | `health` | string | written each second to prove that Redis accepts writes; expires |
//! | `insert` | channel | every index that enters the queue, as in the original |
//! | `results` | channel | [`QueueEvent`]s, which the server turns into server-sent events |

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
