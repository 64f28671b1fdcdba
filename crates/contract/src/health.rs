//! The response of `GET /health/ready`.

use serde::{Deserialize, Serialize};

/// Whether the api should receive requests, and the state of what it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Summary of the fields below.
    pub status: ReadinessStatus,
    /// Postgres; down when it refuses writes, and until its schema is migrated. Without it no index
    /// is accepted.
    pub postgres: ComponentStatus,
    /// Redis; down when it refuses writes. Without it indices are accepted, but not calculated.
    pub redis: ComponentStatus,
    /// Workers with a recent heartbeat; null when Redis is unavailable.
    pub workers: Option<u64>,
    /// Names of these workers in alphabetical order, at most 16; empty when Redis is unavailable.
    #[serde(default)]
    pub worker_names: Vec<String>,
    /// Jobs that wait or run; null when Redis is unavailable.
    pub queue: Option<u64>,
    /// Dead letters; null when Redis is unavailable.
    pub dead_letters: Option<u64>,
    /// The highest index that is accepted (`MAX_INDEX`).
    pub max_index: u32,
}

/// Whether the api should receive requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    /// Everything works.
    Ready,
    /// Requests get responses, but no worker is alive to calculate values.
    Degraded,
    /// Postgres or Redis is unavailable.
    Unavailable,
}

/// State of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ComponentStatus {
    /// It responds and can be used.
    Up,
    /// It does not respond, refuses writes, or cannot be used yet.
    Down,
}
