//! Removes foreign data under our keys, and stale entries from the lists. The server's
//! reconciliation calls it, and then rebuilds what is missing.

use std::collections::HashSet;

use crate::keys::{CLOCK_TOLERANCE, RECENT_INDICES, VALUES};
use crate::{QueueError, RedisClient, scripts};

/// Entries per script: a running script blocks Redis.
const UNLIST_BATCH_SIZE: usize = 500;

/// A member of a sorted set and its score.
type ScoredMember = (Vec<u8>, f64);

/// An entry of the lists.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedEntry {
    /// A number as text. It may be greater than the largest index.
    pub index: String,
    /// Id of its newest submission; `None` if the index is only in `values`. The original adds such
    /// indices, and a worker does so when it completes an index that is not listed any more.
    pub id: Option<f64>,
}

/// Removes from Redis what must not be there. `server::reconciler` calls it.
pub struct Repair {
    redis: RedisClient,
}

impl Repair {
    /// For the data in that Redis.
    #[must_use]
    pub fn new(redis: RedisClient) -> Self {
        Self { redis }
    }

    /// Removes keys of another type, streams that accept no more entries, queued indices without a
    /// job, listed members that are not a number, and heartbeats from the future. Returns the
    /// affected keys.
    pub async fn remove_foreign_data(&self) -> Result<Vec<String>, QueueError> {
        let mut script = scripts::REPAIR.prepare();
        script.arg(CLOCK_TOLERANCE.as_secs());
        Ok(script.invoke_async(&mut self.redis.shared()).await?)
    }

    /// All entries of the lists: the members of `values:recent` and the other fields of `values`.
    /// Skips those that are not a number.
    pub async fn listed(&self) -> Result<Vec<ListedEntry>, QueueError> {
        let mut commands = redis::pipe();
        commands.cmd("ZRANGE").arg(RECENT_INDICES).arg(0).arg(-1).arg("WITHSCORES");
        commands.cmd("HKEYS").arg(VALUES);
        let (recent, fields): (Vec<ScoredMember>, Vec<Vec<u8>>) =
            commands.query_async(&mut self.redis.shared()).await?;
        let number = |member: Vec<u8>| {
            let member = String::from_utf8(member).ok()?;
            member.bytes().all(|byte| byte.is_ascii_digit()).then_some(member)
        };
        let mut listed: Vec<_> = recent
            .into_iter()
            .filter_map(|(member, id)| Some(ListedEntry { index: number(member)?, id: Some(id) }))
            .collect();
        let members: HashSet<_> = listed.iter().map(|entry| entry.index.clone()).collect();
        let rest = fields.into_iter().filter_map(number).filter(|field| !members.contains(field));
        listed.extend(rest.map(|index| ListedEntry { index, id: None }));
        Ok(listed)
    }

    /// Removes entries from the lists, except those whose id has changed after they were read.
    pub async fn unlist(&self, entries: &[ListedEntry]) -> Result<(), QueueError> {
        for batch in entries.chunks(UNLIST_BATCH_SIZE) {
            let mut script = scripts::UNLIST.prepare();
            for ListedEntry { index, id } in batch {
                script.arg(index).arg(id.map_or(String::new(), |id| id.to_string()));
            }
            let () = script.invoke_async(&mut self.redis.shared()).await?;
        }
        Ok(())
    }
}
