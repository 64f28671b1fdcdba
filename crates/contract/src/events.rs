//! The data of the server-sent events of `GET /events`. The events `reset` and `beat` have `{}`.
//!
//! Times are in microseconds since the Unix epoch, each by the clock of the host that took it. The
//! difference of two hosts' times includes the difference of their clocks.

use serde::{Deserialize, Serialize};

use crate::Index;

/// Event `seen`: a submission was committed to Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionEvent {
    /// Id of the submission; ids ascend.
    pub id: i64,
    /// The submitted index.
    pub index: Index,
    /// Id of the request that submitted it.
    pub request_id: String,
}

/// Event `value`: a value was calculated and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueEvent {
    /// The index n.
    pub index: Index,
    /// F(n), abbreviated as in lists.
    pub value: String,
    /// Number of decimal digits of F(n).
    pub digits: usize,
    /// Id of the request that enqueued the job.
    pub request_id: String,
    /// Name of the worker that calculated the value.
    pub worker: String,
    /// When the job passed each part, except the edge.
    pub hops: Hops,
}

/// Event `failed`: a job was delivered too often and became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterEvent {
    /// The index of the job.
    pub index: Index,
    /// Id of the request that enqueued the job.
    pub request_id: String,
}

/// When a submission passed each part of the system, in microseconds since the Unix epoch. 0 means
/// not yet, or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Hops {
    /// The edge had read the request. Only in the response to that request.
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
