//! The routes that submit an index and that serve all digits of its value.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::TypedHeader;
use axum_extra::headers::{ETag, IfNoneMatch};
use contract::{Index, SubmissionState, SubmitRequest, SubmitResponse, ValueResponse};
use queue::CachedValue;
use serde::Serialize;
use service::traces::TraceSpan;
use utoipa::ToSchema;

use super::problems::{
    BodyTooLarge, Internal, Malformed, NeverSubmitted, NotAnIndex, NotJson, TookTooLong,
    Unavailable,
};
use crate::database;
use crate::document::{Document, is_current};
use crate::error::ApiError;
use crate::extract::{EdgeTime, Json, Path};
use crate::memory_budget::{self, MemoryPermit};
use crate::request_id::RequestId;
use crate::state::AppState;

/// Longest wait of a request for digits that are not cached.
const CALCULATION_TIMEOUT: Duration = Duration::from_secs(3);
/// F(n) never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Submits an index.
///
/// The response follows the commit. It has the value if that is already known.
#[utoipa::path(
    post,
    path = "/values",
    request_body = SubmitRequest,
    responses(
        (status = OK, description = "The index is committed", body = SubmitResponse),
        (status = BAD_REQUEST, response = Malformed),
        (status = PAYLOAD_TOO_LARGE, response = BodyTooLarge),
        (status = UNSUPPORTED_MEDIA_TYPE, response = NotJson),
        (status = UNPROCESSABLE_ENTITY, response = NotAnIndex),
        (status = INTERNAL_SERVER_ERROR, response = Internal),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
        (status = GATEWAY_TIMEOUT, response = TookTooLong),
    )
)]
pub(super) async fn submit(
    State(state): State<Arc<AppState>>,
    request_id: RequestId,
    EdgeTime(edge): EdgeTime,
    Json(request): Json<SubmitRequest>,
) -> Result<axum::Json<SubmitResponse>, ApiError> {
    let index = request.index(state.max_index)?;
    Ok(axum::Json(state.submissions.submit(index, request_id.as_str(), edge).await?))
}

/// Returns all digits of the value of a submitted index.
///
/// Digits that are no longer cached are calculated again while the client waits, for up to three
/// seconds.
#[utoipa::path(
    get,
    path = "/values/{index}",
    params(
        ("index" = Index, Path, description = "An index that was submitted"),
        (
            "accept" = Option<String>,
            Header,
            description = "text/plain (the default) or application/json"
        ),
        ("if-none-match" = Option<String>, Header, description = "ETag of the client's copy"),
    ),
    responses(
        (
            status = OK,
            description = "The digits. More than 500 digits may be cached forever. A shorter value \
                must be revalidated: it may change, because a worker of the original may have \
                stored it.",
            content((String = "text/plain"), (ValueResponse = "application/json")),
            headers(("etag" = String), ("cache-control" = String))
        ),
        (
            status = ACCEPTED,
            description = "Not calculated yet; retry after the time in Retry-After",
            body = NotYet,
            headers(("retry-after" = String), ("content-disposition" = String))
        ),
        (status = NOT_MODIFIED, description = "The client's copy is current"),
        (status = BAD_REQUEST, response = Malformed),
        (status = NOT_FOUND, response = NeverSubmitted),
        (status = UNPROCESSABLE_ENTITY, response = NotAnIndex),
        (status = INTERNAL_SERVER_ERROR, response = Internal),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
        (status = GATEWAY_TIMEOUT, response = TookTooLong),
    )
)]
pub(super) async fn digits(
    State(state): State<Arc<AppState>>,
    request_id: RequestId,
    Path(index): Path<String>,
    if_none_match: Option<TypedHeader<IfNoneMatch>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let index = Index::parse(&index, state.max_index)?;
    let format = Format::negotiate(&headers);
    // `*` matches any value that exists, and at this point it is unknown whether one does.
    let etags =
        if_none_match.as_ref().filter(|TypedHeader(condition)| *condition != IfNoneMatch::any());
    if is_immutable(index) && is_current(etags, format.etag(index).as_ref()) {
        check_submitted(&state, index).await?;
        return Ok((StatusCode::NOT_MODIFIED, format.headers(index), ()).into_response());
    }

    // Subscribe before reading the cache, so that no result is missed in between.
    let mut results = state.events.subscribe();
    let permit = state.memory_budget.acquire(index).await?;
    match state.cache.get(index).await? {
        CachedValue::Whole(digits) => {
            return Ok(format.render(index, digits, permit, if_none_match));
        }
        CachedValue::Listed => {}
        CachedValue::Absent => check_submitted(&state, index).await?,
    }
    // Another request may use the memory while this one waits.
    drop(permit);
    let calculated = async {
        let traceparent = TraceSpan::current().traceparent();
        while state.producer.recompute(index, request_id.as_str(), &traceparent).await?
            != SubmissionState::DeadLettered
        {
            results.finished(index).await;
            let permit = state.memory_budget.acquire(index).await?;
            if let CachedValue::Whole(digits) = state.cache.get(index).await? {
                return Ok((digits, permit));
            }
        }
        Err(ApiError::dead_lettered(index))
    };
    match tokio::time::timeout(CALCULATION_TIMEOUT, calculated).await {
        Ok(Ok((digits, permit))) => Ok(format.render(index, digits, permit, if_none_match)),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(NotYet::response(index)),
    }
}

async fn check_submitted(state: &AppState, index: Index) -> Result<(), ApiError> {
    let is_submitted = database::is_submitted(&state.pool, index).await?;
    if is_submitted { Ok(()) } else { Err(ApiError::never_submitted(index)) }
}

/// Whether the value of `index` never changes once it is stored. A short value can change, because
/// a worker of the original, which calculates F(n+1), may write to the hash `values` that holds it.
fn is_immutable(index: Index) -> bool {
    index.get() > contract::LAST_WHOLE_INDEX
}

/// Response of `GET /values/{index}` while the value is being calculated.
#[derive(Serialize, ToSchema)]
struct NotYet {
    working: bool,
    index: Index,
    state: SubmissionState,
}

impl NotYet {
    fn response(index: Index) -> Response {
        // When a browser saves this response, its file must not have the name of the digits' file.
        let disposition = format!("attachment; filename=\"fibonacci-{index}-not-there-yet.json\"");
        let headers = [
            (header::RETRY_AFTER, "1".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        let body = Self { working: true, index, state: SubmissionState::Pending };
        (StatusCode::ACCEPTED, headers, axum::Json(body)).into_response()
    }
}

/// Media type of a response with a value.
#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
}

impl Format {
    /// The first supported media type in `Accept`, whatever its `q`; text by default. By hand,
    /// because the crate `headers` has no `Accept`.
    fn negotiate(headers: &HeaderMap) -> Self {
        let accept =
            headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let media_types =
            accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
        let supported = |media_type: &str| match media_type {
            "application/json" | "application/*" => Some(Self::Json),
            "text/plain" | "text/*" | "*/*" => Some(Self::Text),
            _ => None,
        };
        media_types.into_iter().find_map(supported).unwrap_or(Self::Text)
    }

    fn etag(self, index: Index) -> Option<ETag> {
        let name = match self {
            Self::Text => "text",
            Self::Json => "json",
        };
        format!("\"{index}-{name}\"").parse().ok()
    }

    fn headers(self, index: Index) -> impl axum::response::IntoResponseParts {
        let cache = [(header::CACHE_CONTROL, IMMUTABLE), (header::VARY, "accept")];
        (self.etag(index).map(TypedHeader), cache)
    }

    /// The response with these digits. The body of a long value holds `permit` until it is sent.
    fn render(
        self,
        index: Index,
        digits: String,
        permit: MemoryPermit,
        if_none_match: Option<TypedHeader<IfNoneMatch>>,
    ) -> Response {
        let (content_type, bytes) = match self {
            Self::Text => ("text/plain; charset=utf-8", digits.into_bytes()),
            Self::Json => {
                // Allocate once: a buffer that grows takes three times the memory while it is
                // copied.
                let mut json = Vec::with_capacity(digits.len() + 64);
                let value = ValueResponse { index, digits: digits.len(), value: digits };
                // Serializing numbers and strings cannot fail.
                let _ = serde_json::to_writer(&mut json, &value);
                ("application/json", json)
            }
        };
        if is_immutable(index) {
            let content_type = [(header::CONTENT_TYPE, content_type)];
            return (self.headers(index), content_type, memory_budget::body(bytes, permit))
                .into_response();
        }
        let document = Document::new(content_type, bytes).into_response(if_none_match);
        ([(header::VARY, "accept")], document).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_supported_media_type_in_accept_is_chosen() {
        let is_json = |accept: &str| {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())]);
            matches!(Format::negotiate(&headers), Format::Json)
        };
        assert!(is_json("application/json"));
        assert!(is_json("text/html, application/json;q=0.9, */*;q=0.1"));
        assert!(!is_json("text/plain, application/json"));
        assert!(!is_json("*/*"));
        assert!(!is_json("image/png"));
    }
}
