//! Submitting an index, and the digits of one.
//!
//! It commits nothing by itself, which is `submissions`, and calculates nothing: digits that are gone are asked of a worker,
//! and waited for a little.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{Index, SubmissionState as Progress, SubmitRequest, SubmitResponse, ValueResponse};
use queue::Shown;

use super::conditional::{Document, is_named};
use crate::database;
use crate::error::Error;
use crate::observe::RequestId;
use crate::room::Place;
use crate::state::AppState;

/// How long a caller is kept waiting for digits that are calculated again.
const PATIENCE: Duration = Duration::from_secs(3);
/// F(n) never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";

pub(super) async fn submit(
    State(state): State<Arc<AppState>>,
    RequestId(request_id): RequestId,
    PassedEdge(edge): PassedEdge,
    body: Result<Json<SubmitRequest>, JsonRejection>,
) -> Result<Json<SubmitResponse>, Error> {
    let Json(submit) = body?;
    let index = submit.index(state.max_index)?;
    let place = state.submissions.place();
    if place.is_none() && !is_known(&state, index).await {
        return Err(Error::queue_full());
    }
    Ok(Json(state.submissions.submit(place, index, request_id, edge).await?))
}

/// When the edge passed the request on, in microseconds since the Unix epoch: `X-Request-Start: t=<seconds>`. 0 when it does
/// not say.
pub(super) struct PassedEdge(u64);

impl PassedEdge {
    fn of(headers: &HeaderMap) -> Self {
        let start = headers.get("x-request-start").and_then(|start| start.to_str().ok());
        let seconds = start.and_then(|start| start.strip_prefix("t=")?.parse::<f64>().ok());
        // Rounded to 0 when it is negative or no number.
        Self(seconds.map_or(0, |seconds| (seconds * 1e6).round() as u64))
    }
}

impl<S: Sync> FromRequestParts<S> for PassedEdge {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

/// Whether submitting `index` makes no work. When that cannot be found out, it does.
async fn is_known(state: &AppState, index: Index) -> bool {
    // The whole number is read for it.
    let Ok(_place) = state.room.take(index).await else { return false };
    matches!(state.cache.whole(index).await, Ok(Shown::Whole(_)))
}

pub(super) async fn digits(
    State(state): State<Arc<AppState>>,
    RequestId(request_id): RequestId,
    Path(index): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let index = Index::parse(&index, state.max_index)?;
    let form = Form::accepted(&headers);
    if is_ours_alone(index) && is_named(&headers, &form.tag(index)) {
        if !database::is_submitted(&state.pool, index).await? {
            return Err(Error::never_submitted(index));
        }
        return Ok((StatusCode::NOT_MODIFIED, form.headers(index), ()).into_response());
    }

    // Listening before looking: what ends in between is not missed.
    let mut listener = state.relay.listen();
    let place = state.room.take(index).await?;
    match state.cache.whole(index).await? {
        Shown::Whole(digits) => return Ok(form.render(index, digits, place, &headers)),
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
        while progress != Progress::DeadLettered {
            listener.ended(index).await;
            let place = state.room.take(index).await?;
            match state.cache.whole(index).await? {
                Shown::Whole(digits) => return Ok(Some(form.render(index, digits, place, &headers))),
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
    // Who saves it from a link gets it under this name, not under that of the number.
    let name = format!("attachment; filename=\"fibonacci-{index}-not-there-yet.json\"");
    let headers = [
        (header::RETRY_AFTER, "1".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    let body = serde_json::json!({ "working": true, "index": index, "state": Progress::Pending });
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// Whether nobody but our workers stores the value of `index`.
fn is_ours_alone(index: Index) -> bool {
    index.get() > contract::LAST_WHOLE
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

    fn headers(self, index: Index) -> [(HeaderName, String); 3] {
        [
            (header::ETAG, self.tag(index)),
            (header::CACHE_CONTROL, FOREVER.to_owned()),
            (header::VARY, "accept".to_owned()),
        ]
    }

    /// The answer with these digits; sending it keeps their place.
    fn render(self, index: Index, digits: String, place: Place, request: &HeaderMap) -> Response {
        let (kind, bytes) = match self {
            Self::Text => ("text/plain; charset=utf-8", digits.into_bytes()),
            Self::Json => {
                // At once as large as it gets: growing would take three times as much meanwhile.
                let mut json = Vec::with_capacity(digits.len() + 64);
                let details = ValueResponse { index, digits: digits.len(), value: digits };
                // Plain numbers and strings have no way to fail.
                let _ = serde_json::to_writer(&mut json, &details);
                ("application/json", json)
            }
        };
        if is_ours_alone(index) {
            return (self.headers(index), [(header::CONTENT_TYPE, kind)], place.body(bytes)).into_response();
        }
        // It stands in a hash that an original worker may write to as well, which calculates F(n+1): not for ever.
        ([(header::VARY, "accept")], Document::new(kind, bytes).answer(request)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_edges_time_is_read_and_nonsense_is_none() {
        let at = |start: &str| {
            let start = HeaderValue::from_str(start).unwrap();
            PassedEdge::of(&HeaderMap::from_iter([(
                header::HeaderName::from_static("x-request-start"),
                start,
            )]))
            .0
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
