//! Bodies of requests and responses.
//!
//! [`SubmitRequest`] accepts any JSON value as the index, so that the rules of [`Index`] reject a
//! wrong value, and not a type error from serde.

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{Hops, Index, IndexError};

/// Body of `POST /values`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubmitRequest {
    /// A whole number, as a JSON number or as a string of decimal digits.
    #[cfg_attr(feature = "openapi", schema(value_type = IndexOrDigits, example = "7"))]
    pub index: IndexInput,
    /// All other fields. Without this field, serde would also accept an array instead of an object.
    #[cfg_attr(feature = "openapi", schema(ignore))]
    #[serde(flatten, skip_serializing)]
    pub others: IgnoredFields,
}

/// Any fields of a JSON object, without their values.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnoredFields;

/// An index as the client sent it, not validated yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum IndexInput {
    /// A JSON string.
    Text(String),
    /// A JSON number from 0 to 2^64 − 1, without sign, fraction or exponent.
    Number(u64),
    /// A JSON number of 2^64 or more, which is above every bound.
    Huge,
    /// Any other JSON: a negative number, a fraction or exponent below 2^64, null, a boolean, an
    /// array, an object.
    Other,
}

/// An index, as a number or as digits in a string.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(as = IndexOrDigits)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used: what a client should send as IndexInput")]
enum IndexOrDigits {
    Number(Index),
    Digits(DecimalDigits),
}

/// Decimal digits.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(as = Digits, pattern = "^[0-9]+$")]
#[expect(dead_code, reason = "only its schema is used")]
struct DecimalDigits(String);

impl SubmitRequest {
    /// Validates the index by the rules of [`Index`], with the bound `max`.
    pub fn index(&self, max: u32) -> Result<Index, IndexError> {
        match &self.index {
            IndexInput::Text(text) => Index::parse(text, max),
            IndexInput::Number(number) => Index::from_number(*number, max),
            IndexInput::Huge => Err(IndexError::TooHigh { max }),
            IndexInput::Other => Err(IndexError::NotWhole),
        }
    }
}

/// Response of `POST /values`: the index is committed to Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubmitResponse {
    /// Always true, as in the original's response.
    pub working: bool,
    /// Id of the submission; ids ascend.
    pub id: i64,
    /// The submitted index.
    pub index: Index,
    /// State of its value.
    pub state: SubmissionState,
    /// The value as lists show it, when the state is `done`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// The request's id, in the logs of edge, server and worker.
    pub request_id: String,
    /// When the submission passed each part so far; the event `value` has the rest.
    #[serde(default)]
    pub hops: Hops,
}

impl SubmitResponse {
    /// The response for a submission that is neither committed nor enqueued yet. The id is 0 until
    /// the commit.
    #[must_use]
    pub fn new(index: Index, request_id: String, hops: Hops) -> Self {
        Self {
            working: true,
            id: 0,
            index,
            state: SubmissionState::Stored,
            value: None,
            request_id,
            hops,
        }
    }
}

/// State of a submitted index. `queued`: this submission added a job. `pending`: the job was
/// already in the queue. `done`: the value is known. `failed`: the job is a dead letter. `stored`:
/// the index is committed and will be queued later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubmissionState {
    /// This submission added a job to the queue.
    Queued,
    /// A job for this index was already in the queue.
    Pending,
    /// The value is known.
    Done,
    /// The job for this index is a dead letter.
    #[serde(rename = "failed")]
    DeadLettered,
    /// The submission is committed and will be queued later, because Redis is unavailable or the
    /// queue is full.
    Stored,
}

/// A row of `GET /indices`: an index, with the number of its submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownIndex {
    /// The index.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub index: Index,
    /// Number of its submissions.
    pub submissions: i64,
    /// Id of its newest submission; `?before=<newest>` is the next page.
    pub newest: i64,
}

/// A row of `GET /values/all`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Submission {
    /// Ascending id; `?before=<id>` is the next page.
    pub id: i64,
    /// The submitted index. It may be above today's bound.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub number: Index,
    /// Time of the submission, RFC 3339 in UTC.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub created_at: String,
}

/// `GET /values/{index}` as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValueResponse {
    /// The index n.
    pub index: Index,
    /// Number of decimal digits of F(n).
    pub digits: usize,
    /// All digits of F(n).
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9]+$"))]
    pub value: String,
}

/// An error response: RFC 9457 `application/problem+json`.
// Not the type of the crate `problem_details`: the page needs only these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Stable URI of the kind of problem; `about:blank` if the HTTP status describes it completely.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for a person.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what is allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The request's id, in the logs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

impl<'de> Deserialize<'de> for IgnoredFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(IgnoredAny).map(|_| Self)
    }
}

impl<'de> Deserialize<'de> for IndexInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IndexInputVisitor)
    }
}

struct IndexInputVisitor;

impl<'de> Visitor<'de> for IndexInputVisitor {
    type Value = IndexInput;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an index")
    }

    fn visit_str<E>(self, text: &str) -> Result<IndexInput, E> {
        Ok(IndexInput::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<IndexInput, E> {
        Ok(IndexInput::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<IndexInput, E> {
        Ok(u64::try_from(number).map_or(IndexInput::Other, IndexInput::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<IndexInput, E> {
        // serde_json calls this for a fraction, an exponent, or more digits than fit in 64 bits.
        Ok(if number >= 18_446_744_073_709_551_616.0 {
            IndexInput::Huge
        } else {
            IndexInput::Other
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<IndexInput, E> {
        Ok(IndexInput::Other)
    }

    fn visit_unit<E>(self) -> Result<IndexInput, E> {
        Ok(IndexInput::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<IndexInput, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(IndexInput::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IndexInput, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(IndexInput::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corpus does not distinguish these two errors.
    #[test]
    fn an_empty_string_is_missing_and_other_json_is_not_whole() {
        let validate = |json: &str| {
            let body = format!(r#"{{"index":{json}}}"#);
            serde_json::from_str::<SubmitRequest>(&body).unwrap().index(40)
        };
        for json in [
            "-1",
            "3.7",
            "1e3",
            "7.0",
            "null",
            "true",
            "[7]",
            "[]",
            r#"{"a":[1]}"#,
            r#""1e3""#,
            r#""null""#,
        ] {
            assert_eq!(validate(json), Err(IndexError::NotWhole), "{json}");
        }
        assert_eq!(validate(r#""""#), Err(IndexError::Missing));
    }
}
