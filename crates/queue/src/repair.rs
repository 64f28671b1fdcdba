//! Removes data under our keys that is not ours. The server's reconciliation then rebuilds what is
//! missing.

use crate::keys::{CLOCK_TOLERANCE, RECENT};
use crate::{QueueError, RedisClient, scripts};

/// Repairs Redis for the server's reconciliation.
pub struct Repair {
    redis: RedisClient,
}

impl Repair {
    #[must_use]
    pub fn new(redis: RedisClient) -> Self {
        Self { redis }
    }

    /// Removes data under our keys that cannot be ours: keys of another type, queued indices
    /// without a job, members that are not an index, heartbeats from the future. Returns the
    /// affected keys.
    pub async fn remove_foreign_data(&self) -> Result<Vec<String>, QueueError> {
        let mut script = scripts::REPAIR.prepare();
        script.arg(CLOCK_TOLERANCE.as_secs());
        Ok(script.invoke_async(&mut self.redis.shared()).await?)
    }

    /// The newest submission id among the listed indices, as Redis has it; 0 without one.
    pub async fn newest_listed_id(&self) -> Result<f64, QueueError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(RECENT).arg(0).arg(0).arg("REV").arg("WITHSCORES");
        let newest: Vec<(Vec<u8>, f64)> = command.query_async(&mut self.redis.shared()).await?;
        Ok(newest.first().map_or(0.0, |(_, id)| *id))
    }

    /// Removes listed indices whose id is above `newest_id`, the highest in Postgres: they would
    /// evict the real newest ones.
    pub async fn remove_ids_above(&self, newest_id: i64) -> Result<(), QueueError> {
        let mut command = redis::cmd("ZREMRANGEBYSCORE");
        command.arg(RECENT).arg(format!("({newest_id}")).arg("+inf");
        Ok(command.query_async(&mut self.redis.shared()).await?)
    }
}
