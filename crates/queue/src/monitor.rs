//! Reads the state of the queue for readiness, metrics and lists.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::Index;

use crate::keys::{CLOCK_TOLERANCE, DEAD_LETTER_INDICES, HEALTH_TTL, LIVE_WORKER_TIMEOUT};
use crate::queue_length::QueueLength;
use crate::{PerClass, QueueError, RedisClient, scripts};

/// Most names in [`QueueStats::worker_names`].
const MAX_WORKER_NAMES: usize = 16;

/// Reads the state of the queue. Cheap to clone.
#[derive(Clone)]
pub struct QueueMonitor {
    redis: RedisClient,
}

/// The state of the queue at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Jobs by class.
    pub queue_length: QueueLength,
    /// Jobs that were delivered too often.
    pub dead_letters: u64,
    /// Workers whose last heartbeat is at most 4 s old.
    pub live_workers: u64,
    /// Their names in alphabetical order, at most 16.
    pub worker_names: Vec<String>,
    /// Zero if the queue is empty.
    pub oldest_job_age: Duration,
}

impl QueueMonitor {
    /// A monitor of the queue in that Redis.
    #[must_use]
    pub fn new(redis: RedisClient) -> Self {
        Self { redis }
    }

    /// Reads all of it in one script. Fails if Redis does not accept writes: the script writes
    /// `health`.
    pub async fn stats(&self) -> Result<QueueStats, QueueError> {
        let mut script = scripts::STATS.prepare();
        script
            .arg(LIVE_WORKER_TIMEOUT.as_secs())
            .arg(CLOCK_TOLERANCE.as_secs())
            .arg(HEALTH_TTL.as_secs())
            .arg(MAX_WORKER_NAMES);
        let (at, by_class, dead_letters, live_workers, names, age_ms) =
            script.invoke_async(&mut self.redis.shared()).await?;
        // Bytes, because another program may have written anything under this key.
        let names: Vec<Vec<u8>> = names;
        let worker_names =
            names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let queue_length = QueueLength { by_class: PerClass(by_class), at };
        let oldest_job_age = Duration::from_millis(age_ms);
        Ok(QueueStats { queue_length, dead_letters, live_workers, worker_names, oldest_job_age })
    }

    /// The indices whose jobs are dead letters.
    pub async fn dead_lettered_indices(&self) -> Result<BTreeSet<Index>, QueueError> {
        let fields: Vec<Vec<u8>> = redis::cmd("HKEYS")
            .arg(DEAD_LETTER_INDICES)
            .query_async(&mut self.redis.shared())
            .await?;
        let index = |field: &[u8]| Index::parse(str::from_utf8(field).ok()?, Index::LARGEST).ok();
        Ok(fields.iter().filter_map(|field| index(field)).collect())
    }
}
