//! A job, as a worker reads it from its stream, and its result.

use std::collections::HashMap;

use contract::{Hops, Index};

use crate::{JobClass, now_micros};

/// Longest field that we write. Longer, foreign ones count as missing: they must not reach logs and
/// events.
const MAX_FIELD_BYTES: usize = 64;

/// A job that was delivered to this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its class, unless that is `small`, and the id of its stream entry: see `scripts/jobs.lua`.
    pub id: String,
    /// The class whose stream has it.
    pub class: JobClass,
    /// The index to calculate; `None` if the entry has no valid one. It will be dead-lettered.
    pub index: Option<Index>,
    /// The request that queued it.
    pub request_id: String,
    /// The span that queued it, as in the W3C header `traceparent`; empty if that span belongs to
    /// no trace, and for jobs of older versions.
    pub traceparent: String,
    /// Times of its hops so far.
    pub hops: Hops,
}

/// A job and its result.
#[derive(Clone, Debug)]
pub struct CompletedJob {
    /// The job as it was delivered.
    pub job: Job,
    /// Its index, which is valid.
    pub index: Index,
    /// All decimal digits of F(index), checked.
    pub digits: String,
    /// Time at which they were calculated, in µs since the Unix epoch.
    pub computed: u64,
}

/// A stream entry: its id and its fields. Fields are bytes, because one field that is not UTF-8
/// would otherwise fail the whole reply.
pub(crate) type Entry = (String, HashMap<Vec<u8>, Vec<u8>>);

impl Job {
    pub(crate) fn parse((id, fields): Entry) -> Self {
        let field = |name: &str| {
            let text = fields.get(name.as_bytes()).and_then(|field| str::from_utf8(field).ok());
            text.filter(|text| text.len() <= MAX_FIELD_BYTES).unwrap_or_default()
        };
        let time = |name: &str| field(name).parse().unwrap_or(0);
        Self {
            index: Index::parse(field("index"), Index::LARGEST).ok(),
            request_id: field("request_id").to_owned(),
            traceparent: field("traceparent").to_owned(),
            hops: Hops {
                received: time("received"),
                committed: time("committed"),
                pushed: time("pushed"),
                taken: now_micros(),
                ..Hops::default()
            },
            class: JobClass::of_job(&id),
            id,
        }
    }
}
