//! Lists and retries dead letters, for an operator. An index with a dead letter is not queued
//! again.

use contract::Index;

use crate::job::Entry;
use crate::keys::DEAD_LETTERS;
use crate::{QueueError, RedisClient, scripts};

/// Access to the dead letters. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    redis: RedisClient,
}

/// A job that was delivered too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Id of its stream entry: time in ms since the Unix epoch, a dash, a number.
    pub entry: String,
    /// `None` if the job had no valid index.
    pub index: Option<Index>,
    /// The request that queued it.
    pub request_id: String,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl DeadLetters {
    /// The dead letters in that Redis.
    #[must_use]
    pub fn new(redis: RedisClient) -> Self {
        Self { redis }
    }

    /// All dead letters, the oldest first.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let mut range = redis::cmd("XRANGE");
        range.arg(DEAD_LETTERS).arg("-").arg("+");
        let entries: Vec<Entry> = range.query_async(&mut self.redis.shared()).await?;
        Ok(entries.into_iter().map(parse).collect())
    }

    /// Deletes the dead letters of `indices`. The server's reconciliation then queues the indices
    /// whose value is missing. Returns the indices that had a dead letter.
    pub async fn retry(&self, indices: &[Index]) -> Result<Vec<Index>, QueueError> {
        if indices.is_empty() {
            return Ok(Vec::new());
        }
        let mut script = scripts::RETRY.prepare();
        script.arg(indices.iter().map(|index| index.get()).collect::<Vec<_>>());
        let found: Vec<u64> = script.invoke_async(&mut self.redis.shared()).await?;
        Ok(found
            .into_iter()
            .filter_map(|number| Index::from_number(number, Index::LARGEST).ok())
            .collect())
    }

    /// Like [`Self::retry`], for all dead letters, including those without an index. Returns their
    /// number.
    pub async fn retry_all(&self) -> Result<u64, QueueError> {
        Ok(scripts::RETRY.prepare().invoke_async(&mut self.redis.shared()).await?)
    }
}

fn parse((entry, fields): Entry) -> DeadLetter {
    let field = |name: &str| {
        fields.get(name.as_bytes()).map(|field| String::from_utf8_lossy(field)).unwrap_or_default()
    };
    DeadLetter {
        index: Index::parse(&field("index"), Index::LARGEST).ok(),
        request_id: field("request_id").into_owned(),
        deliveries: field("deliveries").parse().unwrap_or_default(),
        entry,
    }
}
