//! The names of all keys and channels, and the bounds of what they hold.
//!
//! Nothing outside this crate names a key. The crate's documentation says what each key holds.

use std::time::Duration;

pub(crate) const VALUES: &str = "values";
pub(crate) const RECENT: &str = "values:recent";
/// Prefix of the keys of whole values: see [`whole_value`].
pub(crate) const WHOLE_VALUE_PREFIX: &str = "value:";
/// One stream for each [`crate::JobClass`]. `jobs` has the small ones, and those that were queued
/// before there were classes.
pub(crate) const JOBS: &str = "jobs";
pub(crate) const LARGE_JOBS: &str = "jobs:large";
pub(crate) const REPAIR_JOBS: &str = "jobs:repair";
/// Consumer group of each of them.
pub(crate) const GROUP: &str = "workers";
pub(crate) const QUEUED: &str = "jobs:queued";
pub(crate) const DEAD: &str = "jobs:dead";
pub(crate) const DEAD_INDICES: &str = "jobs:dead:indices";
pub(crate) const WORKERS: &str = "workers";
/// Written to find out whether Redis accepts writes.
pub(crate) const HEALTH: &str = "health";
/// When a worker last sent a heartbeat or looked for idle jobs, in ms by Redis's clock.
pub(crate) const LAST_HEARTBEAT: &str = "workers:last-heartbeat";
/// Channel of the original.
pub(crate) const INSERT: &str = "insert";
/// Channel of [`crate::QueueEvent`]s.
pub(crate) const RESULTS: &str = "results";

/// Indices in [`VALUES`] at most: the newest.
pub const MAX_CURRENT_VALUES: usize = 1_000;
/// Dead letters kept at most: the newest.
pub(crate) const MAX_DEAD_LETTERS: usize = 10_000;
/// Expiry of whole values. They may be evicted earlier, and are computed again on demand.
pub(crate) const WHOLE_VALUE_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Expiry of [`HEALTH`].
pub(crate) const HEALTH_EXPIRY: Duration = Duration::from_secs(60);
/// A worker whose last heartbeat is older does not count as live. Heartbeats come twice a second.
pub(crate) const LIVE_WORKER_TIMEOUT: Duration = Duration::from_secs(4);
/// A heartbeat may lie this far in the future: after a failover the time is another host's.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Key of the whole digits of F(`index`).
pub(crate) fn whole_value(index: contract::Index) -> String {
    format!("{WHOLE_VALUE_PREFIX}{index}")
}
