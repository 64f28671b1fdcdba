//! Checks that Redis accepts writes, and that its mode and memory are supported.
//!
//! PING does not prove that Redis accepts writes: a replica answers it, and so does a Redis that
//! refuses all writes for lack of memory. So the check is a write.

use std::mem;
use std::time::Duration;

use redis::InfoDict;

use crate::connection::RESPONSE_TIMEOUT;
use crate::keys::{HEALTH, HEALTH_TTL};
use crate::{QueueError, RedisClient};

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// While Redis stores a value, it holds it twice: in the request and in the key.
const COPIES_WHILE_STORED: u64 = 2;
/// Largest value that can be transferred within `RESPONSE_TIMEOUT`, at 50 MB/s.
const MAX_VALUE_BYTES: u64 = 50_000_000 * RESPONSE_TIMEOUT.as_secs();
/// b bytes can store F(n) up to about n = 9·b, rounded down: F(n) has n·log10(φ) digits, and a byte
/// stores two.
const MAX_INDEX_PER_BYTE: u64 = 9;

/// A configuration error: waiting does not help.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsupportedRedis {
    /// The scripts touch several keys, which a cluster spreads over its nodes.
    #[error("Redis at {address} runs in cluster mode, which is not supported; use another Redis")]
    ClusterMode {
        /// Host and port.
        address: String,
    },
    /// The largest value does not fit into Redis's `maxmemory`.
    #[error(
        "MAX_INDEX is {max_index}: Redis at {address} has a maxmemory of {max_memory} bytes, \
         enough for values up to the index {possible}"
    )]
    TooLittleMemory {
        /// Host and port.
        address: String,
        /// The configured `MAX_INDEX`.
        max_index: u32,
        /// Bytes that Redis may use.
        max_memory: u64,
        /// The highest index whose value fits.
        possible: u32,
    },
    /// The largest value cannot be sent within the response timeout.
    #[error(
        "MAX_INDEX is {max_index}: its value takes too long to store in Redis; the highest index \
         that can be stored in time is {possible}"
    )]
    TooSlow {
        /// The configured `MAX_INDEX`.
        max_index: u32,
        /// The highest index whose value can be sent in time.
        possible: u32,
    },
}

/// Result of the latest write check.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Health {
    /// There was no check yet.
    Unknown,
    Writable,
    Unavailable,
    /// Holds the error code of Redis, such as `OOM` or `READONLY`.
    RefusesWrites(String),
}

impl Health {
    fn of(checked: &Result<(), QueueError>) -> Self {
        match checked {
            Ok(()) => Self::Writable,
            Err(QueueError::WrongNode(error) | QueueError::Refused(error)) => {
                Self::RefusesWrites(error.code().unwrap_or_default().to_owned())
            }
            Err(_) => Self::Unavailable,
        }
    }
}

impl RedisClient {
    /// Checks once a second, forever, that Redis accepts writes, and logs when that changes.
    /// Replaces the shared connection if its Redis was demoted in a failover or does not answer.
    /// TCP alone would report a host that has vanished only after a quarter of an hour.
    pub async fn poll_health(self) {
        let (mut health, mut was_replaced) = (Health::Unknown, false);
        loop {
            let checked = self.check_write().await;
            if checked.as_ref().is_err_and(QueueError::needs_new_connection) {
                self.replace_shared();
                was_replaced = true;
            }
            if checked.is_ok() && mem::take(&mut was_replaced) {
                // Ends the subscriptions, which may still be connected to the old Redis.
                self.replacements.send_modify(|count| *count += 1);
            }
            let new_health = Health::of(&checked);
            if new_health != health {
                self.log_change(&health, &checked);
                health = new_health;
            }
            self.is_writable.send_replace(checked.is_ok());
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    fn log_change(&self, before: &Health, checked: &Result<(), QueueError>) {
        let redis = self.address();
        match checked {
            Ok(()) if *before == Health::Unknown => tracing::info!(redis, "redis accepts writes"),
            Ok(()) => tracing::warn!(redis, "redis accepts writes again"),
            Err(error) => tracing::warn!(redis, %error, "redis does not accept writes"),
        }
    }

    async fn check_write(&self) -> Result<(), QueueError> {
        let mut set = redis::cmd("SET");
        set.arg(HEALTH).arg("").arg("EX").arg(HEALTH_TTL.as_secs());
        Ok(set.query_async(&mut self.shared()).await?)
    }

    /// Waits until the latest write check has succeeded. Returns at once if there was none yet.
    pub async fn until_writable(&self) {
        // The sender lives as long as this client.
        let _ = self.is_writable.subscribe().wait_for(|writable| *writable).await;
    }

    /// Waits until Redis answers, then checks that it is supported and can store the value of the
    /// index `max_index`.
    pub async fn check_supported(self, max_index: u32) -> Result<(), UnsupportedRedis> {
        loop {
            match redis::cmd("INFO").query_async(&mut self.shared()).await.map_err(QueueError::from)
            {
                Ok(info) => return check_info(&info, max_index, self.address()),
                // A managed Redis may forbid INFO: assume that it is supported.
                Err(QueueError::Refused(error)) if error.code() == Some("NOPERM") => return Ok(()),
                Err(_) => tokio::time::sleep(CHECK_INTERVAL).await,
            }
        }
    }
}

fn check_info(info: &InfoDict, max_index: u32, address: String) -> Result<(), UnsupportedRedis> {
    // The name of the field in Redis, and in Valkey.
    if ["redis_mode", "server_mode"]
        .iter()
        .any(|mode| info.get::<String>(mode).as_deref() == Some("cluster"))
    {
        return Err(UnsupportedRedis::ClusterMode { address });
    }
    let max_index_in = |bytes: u64| u32::try_from(bytes * MAX_INDEX_PER_BYTE).unwrap_or(u32::MAX);
    // 0 means that there is no limit.
    if let Some(max_memory) = info.get::<u64>("maxmemory").filter(|bytes| *bytes > 0) {
        let possible = max_index_in(max_memory / COPIES_WHILE_STORED);
        if max_index > possible {
            return Err(UnsupportedRedis::TooLittleMemory {
                address,
                max_index,
                max_memory,
                possible,
            });
        }
    }
    let possible = max_index_in(MAX_VALUE_BYTES);
    if max_index > possible {
        return Err(UnsupportedRedis::TooSlow { max_index, possible });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use contract::Index;

    use super::*;

    fn check(info: &str, max_index: u32) -> Result<(), UnsupportedRedis> {
        check_info(&InfoDict::new(info), max_index, "redis:6379".to_owned())
    }

    #[test]
    fn cluster_mode_is_not_supported() {
        for info in ["redis_mode:cluster\r\n", "server_mode:cluster\r\n"] {
            let address = "redis:6379".to_owned();
            assert_eq!(check(info, 10), Err(UnsupportedRedis::ClusterMode { address }));
        }
    }

    #[test]
    fn the_largest_value_must_fit_into_the_memory_of_redis() {
        let info = "redis_mode:standalone\r\nmaxmemory:1000000\r\n";
        assert_eq!(check(info, 4_500_000), Ok(()));
        assert_eq!(
            check(info, 4_500_001).unwrap_err().to_string(),
            "MAX_INDEX is 4500001: Redis at redis:6379 has a maxmemory of 1000000 bytes, \
             enough for values up to the index 4500000"
        );
    }

    #[test]
    fn without_a_memory_limit_the_largest_value_must_be_transferred_in_time() {
        let info = "redis_mode:standalone\r\nmaxmemory:0\r\n";
        assert_eq!(check(info, 900_000_000), Ok(()));
        let error = UnsupportedRedis::TooSlow { max_index: Index::LARGEST, possible: 900_000_000 };
        assert_eq!(check(info, Index::LARGEST), Err(error));
    }
}
