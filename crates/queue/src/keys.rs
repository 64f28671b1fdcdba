//! Names of all keys and channels, their limits and their expiry times. The crate's documentation
//! says what each key holds.

use std::time::Duration;

pub(crate) const VALUES: &str = "values";
pub(crate) const RECENT_INDICES: &str = "values:recent";
/// Prefix of the keys of whole values: see [`whole_value`].
pub(crate) const WHOLE_VALUE_PREFIX: &str = "value:";
/// Stream of [`crate::JobClass::Small`], and of jobs that were queued before there were classes.
pub(crate) const SMALL_JOBS: &str = "jobs";
pub(crate) const LARGE_JOBS: &str = "jobs:large";
pub(crate) const REPAIR_JOBS: &str = "jobs:repair";
/// Consumer group of each of the three streams.
pub(crate) const GROUP: &str = "workers";
pub(crate) const QUEUED_INDICES: &str = "jobs:queued";
pub(crate) const DEAD_LETTERS: &str = "jobs:dead";
pub(crate) const DEAD_LETTER_INDICES: &str = "jobs:dead:indices";
pub(crate) const WORKERS: &str = "workers";
pub(crate) const HEALTH: &str = "health";
pub(crate) const LAST_HEARTBEAT: &str = "workers:last-heartbeat";
/// The original application's channel for submitted indices.
pub(crate) const INSERT_CHANNEL: &str = "insert";
/// Channel of [`crate::QueueEvent`]s.
pub(crate) const RESULTS_CHANNEL: &str = "results";

/// Most indices in [`VALUES`]; older ones are evicted.
pub const MAX_CURRENT_VALUES: usize = 1_000;
/// Most dead letters; older ones are deleted.
pub(crate) const MAX_DEAD_LETTERS: usize = 10_000;
pub(crate) const WHOLE_VALUE_TTL: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const HEALTH_TTL: Duration = Duration::from_secs(60);
/// A worker is live if its last heartbeat is at most this old. Workers send two a second.
pub(crate) const LIVE_WORKER_TIMEOUT: Duration = Duration::from_secs(4);
/// A heartbeat may lie this far in the future: after a failover, Redis's clock is another host's.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Key of all digits of F(`index`).
pub(crate) fn whole_value(index: contract::Index) -> String {
    format!("{WHOLE_VALUE_PREFIX}{index}")
}
