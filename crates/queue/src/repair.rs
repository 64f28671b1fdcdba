//! Removes data under our keys that is not ours. The server's reconciliation then rebuilds what is
//! missing.

use std::collections::HashSet;

use crate::keys::{CLOCK_TOLERANCE, RECENT, VALUES};
use crate::{QueueError, RedisClient, scripts};

/// Entries that one script removes: Lua's stack is limited.
const UNLIST_BATCH_SIZE: usize = 500;

/// A member of a sorted set, and its score.
type Scored = (Vec<u8>, f64);

/// An entry of the lists, as Redis has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedEntry {
    /// A number, as text: it may be greater than any index.
    pub index: String,
    /// Id of its newest submission. `None` for an index that is only in `values`: written by an
    /// original part, or by a worker after the index was unlisted.
    pub id: Option<f64>,
}

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

    /// All entries of the lists: the members of `values:recent`, and the fields of `values` that
    /// are not among them. Only what is a number; [`Self::remove_foreign_data`] removes other
    /// members, and other fields are left alone.
    pub async fn listed(&self) -> Result<Vec<ListedEntry>, QueueError> {
        let mut commands = redis::pipe();
        commands.cmd("ZRANGE").arg(RECENT).arg(0).arg(-1).arg("WITHSCORES");
        commands.cmd("HKEYS").arg(VALUES);
        let (recent, fields): (Vec<Scored>, Vec<Vec<u8>>) =
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

    /// Removes entries from the lists, except those whose id has changed since they were read.
    pub async fn unlist(&self, entries: &[ListedEntry]) -> Result<(), QueueError> {
        for page in entries.chunks(UNLIST_BATCH_SIZE) {
            let mut script = scripts::UNLIST.prepare();
            for ListedEntry { index, id } in page {
                script.arg(index).arg(id.map_or(String::new(), |id| id.to_string()));
            }
            let () = script.invoke_async(&mut self.redis.shared()).await?;
        }
        Ok(())
    }
}
