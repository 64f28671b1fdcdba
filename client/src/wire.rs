//! Reads what the server sends, with the JSON parser that every browser has.
//!
//! The types are `api`'s, and so is what their fields are called; `serde_json` would read them as well, for a third of the
//! bytes that the whole page may weigh. `tests/wire.rs` holds the two together. What does not fit is `None`: which error
//! that is, the caller knows.

use contract::{
    ComponentStatus as Part, DeadLetterEvent as Failed, Hops, Index, KnownIndex, Problem, Readiness,
    ReadinessStatus as Status, SubmissionEvent as Seen, SubmissionState as State,
    SubmitResponse as Submitted, ValueEvent as Computed,
};
use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::state::Current;

/// A JSON value.
pub struct Json(JsValue);

impl Json {
    /// Reads a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        JSON::parse(text).ok().map(Self)
    }

    /// An index that was submitted.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        Some(Seen { id: self.id("id")?, index: self.index()?, request_id: self.text("request_id")? })
    }

    /// A value that was calculated.
    #[must_use]
    pub fn computed(&self) -> Option<Computed> {
        Some(Computed {
            index: self.index()?,
            value: self.text("value")?,
            digits: self.number("digits")? as usize,
            request_id: self.text("request_id")?,
            worker: self.text("worker")?,
            hops: self.hops(),
        })
    }

    /// An index that was given up.
    #[must_use]
    pub fn failed(&self) -> Option<Failed> {
        Some(Failed { index: self.index()?, request_id: self.text("request_id")? })
    }

    /// The answer to a submission.
    #[must_use]
    pub fn submitted(&self) -> Option<Submitted> {
        let state = match self.text("state")?.as_str() {
            "queued" => State::Queued,
            "pending" => State::Pending,
            "done" => State::Done,
            "failed" => State::DeadLettered,
            "stored" => State::Stored,
            _ => return None,
        };
        Some(Submitted {
            working: true,
            id: self.id("id")?,
            index: self.index()?,
            state,
            value: self.text("value"),
            request_id: self.text("request_id")?,
            hops: self.hops(),
        })
    }

    /// How the system is.
    #[must_use]
    pub fn readiness(&self) -> Option<Readiness> {
        let part = |key: &str| match self.text(key)?.as_str() {
            "up" => Some(Part::Up),
            "down" => Some(Part::Down),
            _ => None,
        };
        let status = match self.text("status")?.as_str() {
            "ready" => Status::Ready,
            "degraded" => Status::Degraded,
            "unavailable" => Status::Unavailable,
            _ => return None,
        };
        Some(Readiness {
            status,
            postgres: part("postgres")?,
            redis: part("redis")?,
            workers: self.number("workers"),
            queue: self.number("queue"),
            dead_letters: self.number("dead_letters"),
            max_index: self.number("max_index")? as u32,
        })
    }

    /// Why something was refused.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        Some(Problem {
            kind: self.text("type")?,
            title: self.text("title")?,
            status: self.number("status")? as u16,
            detail: self.text("detail"),
            request_id: self.text("request_id"),
        })
    }

    /// The indices that were submitted.
    #[must_use]
    pub fn known(&self) -> Option<Vec<KnownIndex>> {
        let row = |row: Self| {
            let (index, submissions) = (row.index()?, row.id("submissions")?);
            Some(KnownIndex { index, submissions, newest: row.id("newest")? })
        };
        self.list()?.map(row).collect()
    }

    /// The values, by index.
    #[must_use]
    pub fn current(&self) -> Option<Current> {
        let entry = |pair: JsValue| {
            let pair: Array = pair.dyn_into().ok()?;
            Some((pair.get(0).as_string()?.parse().ok()?, pair.get(1).as_string()?))
        };
        Object::entries(self.0.dyn_ref()?).iter().map(entry).collect()
    }

    /// The indices that were given up, in ascending order.
    #[must_use]
    pub fn numbers(&self) -> Option<Vec<u32>> {
        self.list()?.map(|number| Some(number.0.as_f64()? as u32)).collect()
    }

    fn list(&self) -> Option<impl Iterator<Item = Self>> {
        let list: &Array = self.0.dyn_ref()?;
        Some((0..list.length()).map(|at| Self(list.get(at))))
    }

    fn get(&self, key: &str) -> JsValue {
        Reflect::get(&self.0, &key.into()).unwrap_or_default()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).as_string()
    }

    /// Exact up to 2^53, which ids, counts and µs since 1970 are far below.
    fn number(&self, key: &str) -> Option<u64> {
        self.get(key).as_f64().filter(|number| *number >= 0.0).map(|number| number as u64)
    }

    fn id(&self, key: &str) -> Option<i64> {
        self.number(key).map(|number| number as i64)
    }

    fn index(&self) -> Option<Index> {
        Index::from_number(self.number("index")?, Index::LARGEST).ok()
    }

    fn hops(&self) -> Hops {
        let hops = Self(self.get("hops"));
        let at = |key: &str| hops.number(key).unwrap_or_default();
        Hops {
            edge: at("edge"),
            received: at("received"),
            committed: at("committed"),
            pushed: at("pushed"),
            taken: at("taken"),
            computed: at("computed"),
            stored: at("stored"),
        }
    }
}
