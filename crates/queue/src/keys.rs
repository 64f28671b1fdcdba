//! The names of all keys and channels, and the bounds of what stands below them.
//!
//! Nothing outside this crate writes a key's name; the crate's documentation has the table of what each holds.

use std::time::Duration;

/// Hash: index → value as lists show it.
pub const VALUES: &str = "values";
/// Sorted set: the indices of [`VALUES`] by the id of their newest submission.
pub(crate) const RECENT: &str = "values:recent";
/// Stream: the queue.
pub(crate) const JOBS: &str = "jobs";
/// Consumer group of [`JOBS`].
pub(crate) const GROUP: &str = "workers";
/// Hash: index → its entry in [`JOBS`].
pub(crate) const QUEUED: &str = "jobs:queued";
/// Stream: the dead letters.
pub(crate) const DEAD: &str = "jobs:dead";
/// Hash: index → its entry in [`DEAD`].
pub(crate) const DEAD_INDICES: &str = "jobs:dead:indices";
/// Sorted set: worker → last sign of life.
pub(crate) const WORKERS: &str = "workers";
/// Channel: indices that enter the queue, as decimal text; the original's.
pub const INSERT: &str = "insert";
/// Channel: events for the server.
pub const RESULTS: &str = "results";

/// Indices that [`VALUES`] holds at most: the newest.
pub const CURRENT_VALUES: usize = 1_000;
/// Dead letters kept at most; older ones make room.
pub(crate) const DEAD_LETTERS: usize = 10_000;
/// How long the whole digits of a value are kept. Evictable before, recomputed after.
pub(crate) const WHOLE_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// A worker that was silent for longer is not counted as alive; it gives a sign every second.
pub(crate) const ALIVE: Duration = Duration::from_secs(4);

/// Key of the whole digits of F(`index`).
pub(crate) fn whole(index: contract::Index) -> String {
    format!("value:{index}")
}
