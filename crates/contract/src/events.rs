//! Data of the server-sent events of `GET /events`: `seen`, `value`, `failed` (and `reset`, which has none).
//!
//! Times are microseconds since the Unix epoch by the clock of the host that took them: within one host they
//! can be subtracted, across hosts only as well as the clocks agree.

use serde::{Deserialize, Serialize};

use crate::Index;

/// Event `seen`: an index was submitted and is safe in Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionEvent {
    /// The submission's id.
    pub id: i64,
    /// The index that was submitted.
    pub index: Index,
    /// The request that submitted it.
    pub request_id: String,
}

/// Event `value`: a value was calculated and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueEvent {
    /// The index n.
    pub index: Index,
    /// F(n) as lists show it.
    pub value: String,
    /// How many decimal digits F(n) has.
    pub digits: usize,
    /// The request whose job this was.
    pub request_id: String,
    /// The worker that did it.
    pub worker: String,
    /// When the index passed each part.
    pub hops: Hops,
}

/// Event `failed`: a job was delivered too often and lies among the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterEvent {
    /// The index whose value will not come by itself.
    pub index: Index,
    /// The request whose job this was.
    pub request_id: String,
}

/// When an index passed each part, in microseconds since the Unix epoch; 0 where a part was not passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hops {
    /// The edge had read the request; only in the answer to it.
    pub edge: u64,
    /// The server had read the request.
    pub received: u64,
    /// Postgres had committed the submission.
    pub committed: u64,
    /// Redis had the job.
    pub pushed: u64,
    /// A worker took the job.
    pub taken: u64,
    /// The digits were there, and checked.
    pub computed: u64,
    /// Redis had the value.
    pub stored: u64,
}
