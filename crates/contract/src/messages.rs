//! Bodies of requests and answers, as they stand in the HTTP contract.
//!
//! [`SubmitRequest`] accepts any JSON value as the index, so that a wrong one is answered by the rules of an index
//! and not by a parser's complaint about types.

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{Hops, Index, IndexError};

/// Body of `POST /values`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubmitRequest {
    /// The index as it was sent: `"7"` or `7`.
    pub index: IndexInput,
    /// Whatever else was sent. That it is taken in makes this an object: without it, an array would do as well.
    #[serde(flatten, skip_serializing)]
    pub others: IgnoredFields,
}

/// Fields that mean nothing here.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnoredFields;

/// An index as it was sent, not yet judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum IndexInput {
    /// A JSON string.
    Text(String),
    /// A JSON number without sign, fraction or exponent that fits 64 bits.
    Number(u64),
    /// A JSON number beyond 64 bits: whatever its notation, it is above every bound.
    Huge,
    /// Any other JSON: a negative or fractional number, null, a boolean, an array, an object.
    Other,
}

impl SubmitRequest {
    /// Judges the index that was sent.
    ///
    /// # Errors
    /// [`IndexError`], as [`Index::parse`].
    pub fn index(&self, max: u32) -> Result<Index, IndexError> {
        match &self.index {
            IndexInput::Text(text) => Index::parse(text, max),
            IndexInput::Number(number) => Index::from_number(*number, max),
            IndexInput::Huge => Err(IndexError::TooHigh { max }),
            IndexInput::Other => Err(IndexError::NotWhole),
        }
    }
}

/// Answer of `POST /values`: the index is safe in Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitResponse {
    /// Always true; what the original's client looks for.
    pub working: bool,
    /// The submission's row: submissions have ascending ids.
    pub id: i64,
    /// The index that was submitted.
    pub index: Index,
    /// How far its value is.
    pub state: SubmissionState,
    /// The value as lists show it, when [`SubmissionState::Done`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// The id to look for in the logs of edge, server and worker.
    pub request_id: String,
    /// When it passed each part so far; the event `value` tells the rest.
    #[serde(default)]
    pub hops: Hops,
}

/// How far the value of a submitted index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionState {
    /// This submission put a job in the queue.
    Queued,
    /// A job for the same index was in the queue already.
    Pending,
    /// The value is known.
    Done,
    /// Its job failed too often and lies among the dead letters.
    #[serde(rename = "failed")]
    DeadLettered,
    /// Committed; it enters the queue when Redis is back or the queue has room.
    Stored,
}

/// A row of `GET /indices`: an index, however often it was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownIndex {
    /// The index.
    pub index: Index,
    /// How often it was submitted.
    pub submissions: i64,
    /// The id of its newest submission; `?before=<newest>` pages back.
    pub newest: i64,
}

/// A row of `GET /values/all`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Ascending id; `?before=<id>` pages back.
    pub id: i64,
    /// The index that was submitted.
    pub number: Index,
    /// When, in UTC, as RFC 3339.
    pub created_at: String,
}

/// `GET /values/{index}` as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueResponse {
    /// The index n.
    pub index: Index,
    /// How many decimal digits F(n) has.
    pub digits: usize,
    /// F(n), whole.
    pub value: String,
}

/// An error as the outside sees it: RFC 9457 `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A name for this kind of problem that never changes; `about:blank` when the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What was wrong this time, and what would be right.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The id to look for in the logs.
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
        deserializer.deserialize_any(GivenVisitor)
    }
}

struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
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
        // A float here is a fraction, an exponent, or a run of digits too long for 64 bits.
        Ok(if number >= 18_446_744_073_709_551_616.0 { IndexInput::Huge } else { IndexInput::Other })
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

    fn judged(json: &str) -> Result<u32, IndexError> {
        let submit: SubmitRequest = serde_json::from_str(json).unwrap();
        submit.index(40).map(Index::get)
    }

    #[test]
    fn a_string_of_digits_and_a_number_are_the_same_index() {
        assert_eq!(judged(r#"{"index":"7"}"#), Ok(7));
        assert_eq!(judged(r#"{"index":7}"#), Ok(7));
    }

    #[test]
    fn every_other_json_is_not_a_whole_number() {
        for json in
            ["-1", "3.7", "1e3", "7.0", "null", "true", "[7]", "[]", r#"{"a":[1]}"#, r#""1e3""#, r#""null""#]
        {
            assert_eq!(judged(&format!(r#"{{"index":{json}}}"#)), Err(IndexError::NotWhole), "{json}");
        }
        assert_eq!(judged(r#"{"index":""}"#), Err(IndexError::Missing));
    }

    #[test]
    fn a_body_is_an_object_and_may_have_more_in_it() {
        assert_eq!(judged(r#"{"index":7,"more":[{"a":1}]}"#), Ok(7));
        for json in ["[7]", r#"["7"]"#, "7", "null"] {
            assert!(serde_json::from_str::<SubmitRequest>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_number_beyond_64_bits_is_too_high() {
        let long = format!("1{}", "0".repeat(30));
        for json in [long.clone(), format!("\"{long}\""), "41".to_owned()] {
            assert_eq!(
                judged(&format!(r#"{{"index":{json}}}"#)),
                Err(IndexError::TooHigh { max: 40 }),
                "{json}"
            );
        }
    }
}
