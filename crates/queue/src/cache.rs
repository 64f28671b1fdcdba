//! Reading what is known: the list of current values, the digits of one, and how full everything is.
//!
//! It changes nothing but what cannot be ours. A field that is not ours (an index that is no number) is passed over, never
//! an error: the hash is shared with whatever original parts run beside us.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Index, PENDING, WHOLE_DIGITS};

use crate::keys::{ALIVE, DEAD_INDICES, RECENT, VALUES, whole};
use crate::{Error, Redis, packed, scripts};

/// Reads what is known. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    redis: Redis,
}

/// What the cache knows of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Its whole digits.
    Whole(String),
    /// That it was submitted; the digits are not here.
    Listed,
    /// Nothing.
    Unknown,
}

/// How full everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs that wait or are being calculated.
    pub queue: u64,
    /// Jobs given up.
    pub dead_letters: u64,
    /// Workers that gave a sign of life in the last seconds.
    pub workers: u64,
    /// Age of the oldest job, in ms; 0 without one.
    pub oldest_job: u64,
}

/// A field of the list, if it is ours.
fn listed(index: &[u8], value: Vec<u8>) -> Option<(Index, String)> {
    let index = Index::parse(str::from_utf8(index).ok()?, Index::LARGEST).ok()?;
    // What is neither a value nor a placeholder is made good as if it were one.
    let value = String::from_utf8(value).ok().filter(|value| contract::digit_count(value).is_some());
    Some((index, value.map_or(PENDING.to_owned(), |value| contract::abbreviate(&value).into_owned())))
}

impl Cache {
    /// Reads from `redis`.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }

    /// The newest indices and their values as lists show them, in numeric order.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn current(&self) -> Result<BTreeMap<Index, String>, Error> {
        let fields: Vec<(Vec<u8>, Vec<u8>)> =
            redis::cmd("HGETALL").arg(VALUES).query_async(&mut self.redis.shared()).await?;
        Ok(fields.into_iter().filter_map(|(index, value)| listed(&index, value)).collect())
    }

    /// The newest `limit` indices and their values as lists show them, in numeric order. Redis reads and sends no more than
    /// that, unless there are fewer: then what original parts have listed takes the room that is left.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn newest(&self, limit: usize) -> Result<BTreeMap<Index, String>, Error> {
        let redis = &mut self.redis.shared();
        let last = limit.saturating_sub(1);
        let newest: Vec<Vec<u8>> =
            redis::cmd("ZRANGE").arg(RECENT).arg(0).arg(last).arg("REV").query_async(redis).await?;
        if newest.len() == limit {
            let mut command = redis::cmd("HMGET");
            command.arg(VALUES).arg(&newest);
            let values: Vec<Option<Vec<u8>>> = command.query_async(redis).await?;
            return Ok(newest
                .iter()
                .zip(values)
                .filter_map(|(index, value)| listed(index, value?))
                .collect());
        }
        let mut all = self.current().await?;
        let mut spare = all.len().saturating_sub(limit);
        all.retain(|index, _| {
            let gone = spare > 0 && !newest.contains(&index.to_string().into_bytes());
            spare -= usize::from(gone);
            !gone
        });
        Ok(all)
    }

    /// The whole digits of F(`index`), if they are here.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn whole(&self, index: Index) -> Result<Shown, Error> {
        let key = whole(index);
        let (mut one, mut other) = (self.redis.shared(), self.redis.shared());
        let (get, hget) =
            (redis::cmd("GET").arg(&key).clone(), redis::cmd("HGET").arg(VALUES).arg(index.get()).clone());
        // Side by side, not in a pipeline: its errors do not tell which command failed.
        let (digits, shown) = tokio::join!(get.query_async(&mut one), hget.query_async(&mut other));
        let digits: Option<Vec<u8>> = match digits.map_err(Error::from) {
            // Not ours, then: it makes room.
            Err(Error::Refused(error)) if error.code() == Some("WRONGTYPE") => {
                let () = redis::cmd("UNLINK").arg(&key).query_async(&mut one).await?;
                None
            }
            digits => digits?,
        };
        let shown: Option<Vec<u8>> = shown?;
        let shown = shown.and_then(|shown| String::from_utf8(shown).ok());
        Ok(match (digits.and_then(packed::text), shown) {
            (Some(digits), _) => Shown::Whole(digits),
            // A longer one is not shown whole, so nobody of ours put it there.
            (None, Some(shown)) if contract::is_whole(&shown) && shown.len() <= WHOLE_DIGITS => {
                Shown::Whole(shown)
            }
            (None, Some(_)) => Shown::Listed,
            (None, None) => Shown::Unknown,
        })
    }

    /// Whether the value of `index` is stored.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn is_known(&self, index: Index) -> Result<bool, Error> {
        let (stored, listed): (bool, Option<Vec<u8>>) = redis::pipe()
            .exists(whole(index))
            .hget(VALUES, index.get())
            .query_async(&mut self.redis.shared())
            .await?;
        let listed = listed.and_then(|value| String::from_utf8(value).ok());
        Ok(stored || listed.is_some_and(|value| contract::digit_count(&value).is_some()))
    }

    /// The indices among the dead letters, in numeric order.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn given_up(&self) -> Result<BTreeSet<Index>, Error> {
        let fields: Vec<Vec<u8>> =
            redis::cmd("HKEYS").arg(DEAD_INDICES).query_async(&mut self.redis.shared()).await?;
        let index = |field: &[u8]| Index::parse(str::from_utf8(field).ok()?, Index::LARGEST).ok();
        Ok(fields.iter().filter_map(|field| index(field)).collect())
    }

    /// Removes what stands under one of our names and cannot be ours: of another type, a job that is not there, a member that
    /// is no index. It is made anew. Returns the names.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn mend(&self) -> Result<Vec<String>, Error> {
        Ok(scripts::mend().invoke_async(&mut self.redis.shared()).await?)
    }

    /// The id of the newest submission among the listed indices, as Redis has it; 0 without one.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn newest_listed(&self) -> Result<f64, Error> {
        let newest: Vec<(Vec<u8>, f64)> = redis::cmd("ZRANGE")
            .arg(RECENT)
            .arg(0)
            .arg(0)
            .arg("REV")
            .arg("WITHSCORES")
            .query_async(&mut self.redis.shared())
            .await?;
        Ok(newest.first().map_or(0.0, |(_, id)| *id))
    }

    /// Forgets how new the listed indices are whose submission is said to be newer than `newest`: there is none such.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn forget_newer(&self, newest: i64) -> Result<(), Error> {
        let mut command = redis::cmd("ZREMRANGEBYSCORE");
        command.arg(RECENT).arg(format!("({newest}")).arg("+inf");
        Ok(command.query_async(&mut self.redis.shared()).await?)
    }

    /// How full everything is.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let (queue, dead_letters, workers, oldest_job) =
            scripts::stats().arg(ALIVE.as_secs()).invoke_async(&mut self.redis.shared()).await?;
        Ok(Stats { queue, dead_letters, workers, oldest_job })
    }
}
