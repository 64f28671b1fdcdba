//! Reads cached values: the lists, and all digits of one value.
//!
//! Foreign data is not an error, because parts of the original write to the hash `values` too.
//! Fields that are not an index are skipped. A key of another type in place of digits is deleted.

use std::collections::BTreeMap;

use contract::{Index, MAX_WHOLE_DIGITS, PENDING};

use crate::keys::{RECENT_INDICES, VALUES, whole_value};
use crate::{QueueError, RedisClient, packed};

/// Reads cached values. Cheap to clone.
#[derive(Clone)]
pub struct ValueCache {
    redis: RedisClient,
}

/// A value in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedValue {
    /// All its digits.
    Whole(String),
    /// Listed, but not all digits are cached: the value is pending, or its digits have expired.
    Listed,
    /// Neither listed nor cached.
    Absent,
}

/// Reads a field of `values`; `None` if it is not an index.
fn parse_field(index: &[u8], value: Vec<u8>) -> Option<(Index, String)> {
    let index = Index::parse(str::from_utf8(index).ok()?, Index::LARGEST).ok()?;
    // Anything but a value counts as pending, and reconciliation queues the index.
    let value =
        String::from_utf8(value).ok().filter(|value| contract::digit_count(value).is_some());
    Some((
        index,
        value.map_or(PENDING.to_owned(), |value| contract::abbreviate(&value).into_owned()),
    ))
}

impl ValueCache {
    /// The cached values in that Redis.
    #[must_use]
    pub fn new(redis: RedisClient) -> Self {
        Self { redis }
    }

    /// All listed indices and their values as lists show them.
    pub async fn current(&self) -> Result<BTreeMap<Index, String>, QueueError> {
        let fields: Vec<(Vec<u8>, Vec<u8>)> =
            redis::cmd("HGETALL").arg(VALUES).query_async(&mut self.redis.shared()).await?;
        Ok(fields.into_iter().filter_map(|(index, value)| parse_field(&index, value)).collect())
    }

    /// The newest `limit` indices and their values as lists show them. If `values:recent` has fewer
    /// indices, reads all of `values` and fills up with indices that parts of the original listed.
    pub async fn newest(&self, limit: usize) -> Result<BTreeMap<Index, String>, QueueError> {
        let redis = &mut self.redis.shared();
        let last = limit.saturating_sub(1);
        let newest: Vec<Vec<u8>> = redis::cmd("ZRANGE")
            .arg(RECENT_INDICES)
            .arg(0)
            .arg(last)
            .arg("REV")
            .query_async(redis)
            .await?;
        if newest.len() == limit {
            let mut command = redis::cmd("HMGET");
            command.arg(VALUES).arg(&newest);
            let values: Vec<Option<Vec<u8>>> = command.query_async(redis).await?;
            let fields = newest.iter().zip(values);
            return Ok(fields.filter_map(|(index, value)| parse_field(index, value?)).collect());
        }
        let mut all = self.current().await?;
        let mut excess = all.len().saturating_sub(limit);
        all.retain(|index, _| {
            let is_removed = excess > 0 && !newest.contains(&index.to_string().into_bytes());
            excess -= usize::from(is_removed);
            !is_removed
        });
        Ok(all)
    }

    /// What the cache has of F(`index`).
    pub async fn get(&self, index: Index) -> Result<CachedValue, QueueError> {
        let key = whole_value(index);
        let (mut connection, mut other_connection) = (self.redis.shared(), self.redis.shared());
        let get = redis::cmd("GET").arg(&key).clone();
        let hget = redis::cmd("HGET").arg(VALUES).arg(index.get()).clone();
        // Not a pipeline: its error does not tell which of the commands failed.
        let (digits, listed) =
            tokio::join!(get.query_async(&mut connection), hget.query_async(&mut other_connection));
        let digits: Option<Vec<u8>> = match digits.map_err(QueueError::from) {
            // Another type under our key: delete it.
            Err(QueueError::Refused(error)) if error.code() == Some("WRONGTYPE") => {
                let () = redis::cmd("UNLINK").arg(&key).query_async(&mut connection).await?;
                None
            }
            digits => digits?,
        };
        let listed: Option<Vec<u8>> = listed?;
        let listed = listed.and_then(|listed| String::from_utf8(listed).ok());
        Ok(match (digits.and_then(packed::unpack), listed) {
            (Some(digits), _) => CachedValue::Whole(digits),
            // We abbreviate longer values in lists, so a longer one is not ours.
            (None, Some(listed))
                if contract::is_whole(&listed) && listed.len() <= MAX_WHOLE_DIGITS =>
            {
                CachedValue::Whole(listed)
            }
            (None, Some(_)) => CachedValue::Listed,
            (None, None) => CachedValue::Absent,
        })
    }
}
