//! Data of the server-sent events of `GET /events`. (The data of `reset` and `beat` is `{}`.)
//!
//! Times are microseconds since the Unix epoch by the clock of the host that took them. Differences
//! between two hosts are only as good as their clocks agree.

use serde::{Deserialize, Serialize};

use crate::Index;

/// Event `seen`: an index was submitted, and is committed to Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionEvent {
    pub id: i64,
    pub index: Index,
    pub request_id: String,
}

/// Event `value`: a value was calculated and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueEvent {
    pub index: Index,
    /// F(n) as lists show it.
    pub value: String,
    /// Number of decimal digits of F(n).
    pub digits: usize,
    /// Id of the request that the job came from.
    pub request_id: String,
    /// Name of the worker that calculated it.
    pub worker: String,
    pub hops: Hops,
}

/// Event `failed`: a job was delivered too often, and is a dead letter now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterEvent {
    pub index: Index,
    /// Id of the request that the job came from.
    pub request_id: String,
}

/// When an index passed each part, in microseconds since the Unix epoch; 0 where it did not, or not
/// yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Hops {
    /// The edge had read the request; only in the response to it.
    pub edge: u64,
    /// The server had read the request.
    pub received: u64,
    /// Postgres had committed the submission.
    pub committed: u64,
    /// Redis had the job.
    pub pushed: u64,
    /// A worker had received the job.
    pub taken: u64,
    /// The digits were calculated and checked.
    pub computed: u64,
    /// Redis had the value.
    pub stored: u64,
}
