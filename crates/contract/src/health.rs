//! Answer of `GET /health/ready`: which part is up, in words a person and a load balancer both understand.
//!
//! It says what is reported and in which words, not how that is found out.

use serde::{Deserialize, Serialize};

/// The state of the whole, and of each part it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The worst of the parts.
    pub status: ReadinessStatus,
    /// Postgres: without it nothing can be accepted.
    pub postgres: ComponentStatus,
    /// Redis: without it indices are accepted but not calculated.
    pub redis: ComponentStatus,
    /// Workers that gave a sign of life in the last seconds; `None` when Redis cannot be asked.
    pub workers: Option<u64>,
    /// Jobs that wait or are being calculated; `None` when Redis cannot be asked.
    pub queue: Option<u64>,
    /// Jobs given up; `None` when Redis cannot be asked.
    pub dead_letters: Option<u64>,
    /// The highest index that is accepted.
    pub max_index: u32,
}

/// Whether requests should be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    /// Everything works.
    Ready,
    /// Requests are answered, but values will not come: no worker is alive.
    Degraded,
    /// A part that requests need is away.
    Unavailable,
}

/// One part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentStatus {
    /// It answers.
    Up,
    /// It does not, yet or any more.
    Down,
}
