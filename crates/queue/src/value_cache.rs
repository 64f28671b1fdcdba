//! The cached values: the list of current values, and the whole digits of one.
//!
//! Original parts share the hash `values`. A field that is not ours, such as one that is not an
//! index, is skipped and never an error. Foreign data in the place of whole digits is deleted.

use std::collections::BTreeMap;

use contract::{Index, PENDING, WHOLE_DIGITS};

use crate::keys::{RECENT, VALUES, whole_value};
use crate::{QueueError, RedisClient, packed};

/// Reads cached values. Cheap to clone.
#[derive(Clone)]
pub struct ValueCache {
    redis: RedisClient,
}

/// What the cache has of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedValue {
    /// All its digits.
    Whole(String),
    /// An entry in the lists, but not all digits: the value is pending, or its digits have expired.
    Listed,
    Absent,
}

/// Reads a field of `values`; `None` when it is not an index.
fn parse_field(index: &[u8], value: Vec<u8>) -> Option<(Index, String)> {
    let index = Index::parse(str::from_utf8(index).ok()?, Index::LARGEST).ok()?;
    // Anything but a value counts as a placeholder: reconciliation has it calculated.
    let value =
        String::from_utf8(value).ok().filter(|value| contract::digit_count(value).is_some());
    Some((
        index,
        value.map_or(PENDING.to_owned(), |value| contract::abbreviate(&value).into_owned()),
    ))
}

impl ValueCache {
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

    /// The newest `limit` indices and their values as lists show them. Redis reads and sends no
    /// more than that, unless there are fewer: then indices that original parts have listed fill
    /// the rest.
    pub async fn newest(&self, limit: usize) -> Result<BTreeMap<Index, String>, QueueError> {
        let redis = &mut self.redis.shared();
        let last = limit.saturating_sub(1);
        let newest: Vec<Vec<u8>> =
            redis::cmd("ZRANGE").arg(RECENT).arg(0).arg(last).arg("REV").query_async(redis).await?;
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
        let (mut one, mut other) = (self.redis.shared(), self.redis.shared());
        let get = redis::cmd("GET").arg(&key).clone();
        let hget = redis::cmd("HGET").arg(VALUES).arg(index.get()).clone();
        // Concurrently and not as a pipeline, whose errors do not tell which command failed.
        let (digits, listed) =
            tokio::join!(get.query_async(&mut one), hget.query_async(&mut other));
        let digits: Option<Vec<u8>> = match digits.map_err(QueueError::from) {
            // Another type under our key: delete it.
            Err(QueueError::Refused(error)) if error.code() == Some("WRONGTYPE") => {
                let () = redis::cmd("UNLINK").arg(&key).query_async(&mut one).await?;
                None
            }
            digits => digits?,
        };
        let listed: Option<Vec<u8>> = listed?;
        let listed = listed.and_then(|listed| String::from_utf8(listed).ok());
        Ok(match (digits.and_then(packed::unpack), listed) {
            (Some(digits), _) => CachedValue::Whole(digits),
            // We list longer values abbreviated, so a longer one is not ours.
            (None, Some(listed)) if contract::is_whole(&listed) && listed.len() <= WHOLE_DIGITS => {
                CachedValue::Whole(listed)
            }
            (None, Some(_)) => CachedValue::Listed,
            (None, None) => CachedValue::Absent,
        })
    }
}
