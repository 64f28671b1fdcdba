//! Submitting indices, listing what was submitted and what is known, and the digits of one index.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::{Index, KnownIndex, State as Progress, Submission, Submit, Submitted, ValueDetails};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, IntoResponseParts, Response};
use queue::Shown;
use serde::Deserialize;

use crate::database;
use crate::error::Error;
use crate::observe::RequestId;
use crate::room::Place;
use crate::state::AppState;

/// Rows of one page, and of one that does not say how many.
const PAGE: u32 = 1_000;
/// How long a caller is kept waiting for digits that are calculated again.
const PATIENCE: Duration = Duration::from_secs(3);
/// F(n) never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// But a short value stands in a hash that an original worker may write to as well, which calculates F(n+1).
const FOR_NOW: &str = "no-cache";

/// Which page of the submissions.
#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<u32>,
    before: Option<i64>,
}

impl Page {
    /// The id below which it begins, and how many rows it has.
    fn bounds(page: Result<Query<Self>, QueryRejection>) -> Result<(i64, i64), Error> {
        let Query(page) = page.map_err(|_| {
            Error::wrong_parameter(
                "limit is a whole number from 1 to 1000, before is the id of a submission".to_owned(),
            )
        })?;
        let limit = page.limit.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&limit) {
            return Err(Error::wrong_parameter(format!("limit is {limit}: it goes from 1 to {PAGE}")));
        }
        Ok((page.before.unwrap_or(i64::MAX), limit.into()))
    }
}

pub(super) async fn all(
    State(state): State<AppState>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Vec<Submission>>, Error> {
    let (before, limit) = Page::bounds(page)?;
    Ok(Json(database::submissions(&state.pool, before, limit).await?))
}

pub(super) async fn known(
    State(state): State<AppState>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Vec<KnownIndex>>, Error> {
    let (before, limit) = Page::bounds(page)?;
    Ok(Json(database::known(&state.pool, before, limit).await?))
}

pub(super) async fn current(State(state): State<AppState>) -> Result<Json<BTreeMap<Index, String>>, Error> {
    Ok(Json(state.cache.current().await?))
}

pub(super) async fn given_up(State(state): State<AppState>) -> Result<Json<BTreeSet<Index>>, Error> {
    Ok(Json(state.cache.given_up().await?))
}

pub(super) async fn submit(
    State(state): State<AppState>,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    body: Result<Json<Submit>, JsonRejection>,
) -> Result<Json<Submitted>, Error> {
    let Json(submit) = body?;
    let index = submit.index(state.max_index)?;
    if state.submissions.is_full() && !is_known(&state, index).await {
        return Err(Error::queue_full());
    }
    Ok(Json(state.submissions.submit(index, request_id, passed_edge(&headers)).await?))
}

/// When the edge passed the request on, in microseconds since the Unix epoch: `X-Request-Start: t=<seconds>`. 0 when it does
/// not say.
fn passed_edge(headers: &HeaderMap) -> u64 {
    let start = headers.get("x-request-start").and_then(|start| start.to_str().ok());
    let seconds = start.and_then(|start| start.strip_prefix("t=")?.parse::<f64>().ok());
    // Rounded to 0 when it is negative or no number.
    seconds.map_or(0, |seconds| (seconds * 1e6).round() as u64)
}

/// Whether submitting `index` makes no work. When that cannot be found out, it does.
async fn is_known(state: &AppState, index: Index) -> bool {
    // The whole number is read for it.
    let Ok(_place) = state.room.take(index).await else { return false };
    matches!(state.cache.whole(index).await, Ok(Shown::Whole(_)))
}

pub(super) async fn digits(
    State(state): State<AppState>,
    RequestId(request_id): RequestId,
    Path(index): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let index = Index::parse(&index, state.max_index)?;
    let form = Form::accepted(&headers);
    if is_ours_alone(index)
        && headers.get(header::IF_NONE_MATCH).is_some_and(|tags| form.matches(index, tags))
    {
        if !database::is_submitted(&state.pool, index).await? {
            return Err(Error::never_submitted(index));
        }
        return Ok((StatusCode::NOT_MODIFIED, form.headers(index), ()).into_response());
    }

    // Listening before looking: what ends in between is not missed.
    let mut listener = state.relay.listen();
    let place = state.room.take(index).await?;
    match state.cache.whole(index).await? {
        Shown::Whole(digits) => return Ok(form.render(index, digits, place)),
        Shown::Listed => {}
        Shown::Unknown => {
            if !database::is_submitted(&state.pool, index).await? {
                return Err(Error::never_submitted(index));
            }
        }
    }
    // Whoever waits takes no room.
    drop(place);
    let mut progress = state.producer.demand(index, &request_id).await?;
    let waiting = async {
        while progress != Progress::Failed {
            listener.ended(index).await;
            let place = state.room.take(index).await?;
            match state.cache.whole(index).await? {
                Shown::Whole(digits) => return Ok(Some(form.render(index, digits, place))),
                Shown::Listed | Shown::Unknown => {
                    progress = state.producer.demand(index, &request_id).await?
                }
            }
        }
        Err(Error::given_up(index))
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(Ok(Some(answer))) => Ok(answer),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) | Err(_) => Ok(not_yet(index)),
    }
}

fn not_yet(index: Index) -> Response {
    let headers = [(header::RETRY_AFTER, "1"), (header::CACHE_CONTROL, "no-store")];
    let body = serde_json::json!({ "working": true, "index": index, "state": Progress::Pending });
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// Whether nobody but our workers stores the value of `index`.
fn is_ours_alone(index: Index) -> bool {
    index.get() > api::LAST_WHOLE
}

/// The two forms of a value.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

impl Form {
    /// The one that comes first in `Accept`; digits when it names neither.
    fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let first =
            accept.split(',').find_map(|range| match range.split(';').next().unwrap_or_default().trim() {
                "application/json" | "application/*" => Some(Self::Json),
                "text/plain" | "text/*" | "*/*" => Some(Self::Text),
                _ => None,
            });
        first.unwrap_or(Self::Text)
    }

    fn tag(self, index: Index) -> String {
        match self {
            Self::Text => format!("\"{index}-text\""),
            Self::Json => format!("\"{index}-json\""),
        }
    }

    fn matches(self, index: Index, tags: &HeaderValue) -> bool {
        let tag = self.tag(index);
        tags.to_str().is_ok_and(|tags| {
            tags.split(',').map(str::trim).any(|given| given == "*" || given.trim_start_matches("W/") == tag)
        })
    }

    fn headers(self, index: Index) -> impl IntoResponseParts {
        let (tag, kept) = match is_ours_alone(index) {
            true => (Some([(header::ETAG, self.tag(index))]), FOREVER),
            false => (None, FOR_NOW),
        };
        (tag, [(header::CACHE_CONTROL, kept), (header::VARY, "accept")])
    }

    /// Sending keeps the place of the digits.
    fn render(self, index: Index, digits: String, place: Place) -> Response {
        let (kind, bytes) = match self {
            Self::Text => ("text/plain; charset=utf-8", digits.into_bytes()),
            Self::Json => {
                // At once as large as it gets: growing would take three times as much meanwhile.
                let mut json = Vec::with_capacity(digits.len() + 64);
                let details = ValueDetails { index, digits: digits.len(), value: digits };
                // Plain numbers and strings have no way to fail.
                let _ = serde_json::to_writer(&mut json, &details);
                ("application/json", json)
            }
        };
        let kind = [(header::CONTENT_TYPE, kind)];
        (self.headers(index), kind, place.body(bytes)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_time_is_read_and_nonsense_is_none() {
        let at = |start: &str| {
            let start = HeaderValue::from_str(start).unwrap();
            passed_edge(&HeaderMap::from_iter([(header::HeaderName::from_static("x-request-start"), start)]))
        };
        assert_eq!(at("t=1700000000.123"), 1_700_000_000_123_000);
        for nonsense in ["", "t=", "t=abc", "t=-1", "t=NaN", "1700000000"] {
            assert_eq!(at(nonsense), 0, "{nonsense}");
        }
    }

    #[test]
    fn the_first_known_form_in_accept_is_taken() {
        let form = |accept: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())]);
            matches!(Form::accepted(&headers), Form::Json)
        };
        assert!(form("application/json"));
        assert!(form("text/html, application/json;q=0.9, */*;q=0.1"));
        assert!(!form("text/plain, application/json"));
        assert!(!form("*/*"));
        assert!(!form("image/png"));
    }
}
