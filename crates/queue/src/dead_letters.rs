//! Lists and retries dead letters, for an operator. They are never retried automatically.

use std::collections::HashMap;

use contract::Index;

use crate::keys::DEAD;
use crate::{QueueError, RedisClient, scripts};

/// The dead letters. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    redis: RedisClient,
}

/// A job that was delivered too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Id of its entry: the time in ms since the Unix epoch, a dash and a number.
    pub entry: String,
    /// `None` when the job had no valid index.
    pub index: Option<Index>,
    /// The request that queued it.
    pub request_id: String,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl DeadLetters {
    #[must_use]
    pub fn new(redis: RedisClient) -> Self {
        Self { redis }
    }

    /// All of them, the oldest first.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let mut range = redis::cmd("XRANGE");
        range.arg(DEAD).arg("-").arg("+");
        let entries: Vec<(String, HashMap<String, Vec<u8>>)> =
            range.query_async(&mut self.redis.shared()).await?;
        Ok(entries.into_iter().map(parse).collect())
    }

    /// Deletes the dead letters of `indices`, so that the server's reconciliation queues them
    /// again. Returns those that had one.
    pub async fn retry(&self, indices: &[Index]) -> Result<Vec<Index>, QueueError> {
        let mut script = scripts::RETRY.prepare();
        script.arg(indices.iter().map(|index| index.get()).collect::<Vec<_>>());
        let found: Vec<u64> = script.invoke_async(&mut self.redis.shared()).await?;
        Ok(found.into_iter().filter_map(|number| Index::from_number(number, Index::LARGEST).ok()).collect())
    }
}

fn parse((entry, fields): (String, HashMap<String, Vec<u8>>)) -> DeadLetter {
    let field = |name| fields.get(name).map(|field| String::from_utf8_lossy(field)).unwrap_or_default();
    DeadLetter {
        index: Index::parse(&field("index"), Index::LARGEST).ok(),
        request_id: field("request_id").into_owned(),
        deliveries: field("deliveries").parse().unwrap_or_default(),
        entry,
    }
}
