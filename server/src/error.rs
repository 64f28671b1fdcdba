//! Errors of the api. [`ApiError`] has the status and text for the client, which [`render`] turns
//! into problem+json (RFC 9457), and a cause, which only the log shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{Index, IndexError, Problem};
use queue::now_micros;

use crate::database::PostgresFailure;
use crate::request_id::X_REQUEST_ID;

/// Reconnecting to Postgres or Redis takes about as long.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// An overloaded api may refuse thousands of requests a second; `http_requests_total` counts them.
static REFUSALS: OncePerSecond = OncePerSecond(AtomicU64::new(0));
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// Last part of the problem type's URI; `None` for `about:blank`.
    kind: Option<&'static str>,
    title: &'static str,
    detail: Option<String>,
    /// Whether to send Retry-After.
    is_retryable: bool,
    /// For the log only.
    cause: Option<Arc<str>>,
    /// Whether the cause is an outage. A health check logs an outage once, so that it is not logged
    /// for each request.
    is_outage: bool,
}

impl ApiError {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let detail = Some(detail.into());
        Self {
            status,
            kind: Some(kind),
            title,
            detail,
            is_retryable: false,
            cause: None,
            is_outage: false,
        }
    }

    fn unavailable(kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail);
        Self { is_retryable: true, ..error }
    }

    pub(crate) fn with_cause(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string().into()), ..self }
    }

    /// For responses that have only a status: those of the router, the layers and axum's
    /// rejections.
    fn from_status(status: StatusCode) -> Self {
        match status {
            // From `TimeoutLayer`.
            StatusCode::GATEWAY_TIMEOUT => {
                let detail = "the request may still have been carried out; try again";
                let error = Self::new(status, "too-slow", "Took too long", detail);
                Self { is_retryable: true, ..error }
            }
            // From `DefaultBodyLimit`.
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = "the body must not be larger than 16 KiB";
                Self::new(status, "body-too-large", "Body too large", detail)
            }
            _ => {
                let title = status.canonical_reason().unwrap_or("Error");
                Self { kind: None, detail: None, ..Self::new(status, "", title, "") }
            }
        }
    }

    pub(crate) fn internal() -> Self {
        Self::from_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn never_submitted(index: Index) -> Self {
        let detail =
            format!("the index {index} has not been submitted; submit it with POST /values");
        Self::new(StatusCode::NOT_FOUND, "never-submitted", "Never submitted", detail)
    }

    pub(crate) fn wrong_parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-parameter", "Wrong parameter", detail)
    }

    pub(crate) fn dead_lettered(index: Index) -> Self {
        let detail = format!(
            "the job of the index {index} failed too often and is a dead letter; \
             an operator can retry it"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "given-up", "Given up", detail)
    }

    pub(crate) fn queue_full() -> Self {
        let detail = "the queue is full: the index was not accepted; try again soon";
        Self::unavailable("queue-full", "Too much to do", detail)
    }

    pub(crate) fn too_many_submissions() -> Self {
        let detail = "too many submissions wait for their commit; try again soon";
        Self::unavailable("too-many-submissions", "Too many submissions", detail)
    }

    pub(crate) fn too_many_streams() -> Self {
        let detail = "the maximum number of event streams is open; try again soon";
        Self::unavailable("too-many-streams", "Too many event streams", detail)
    }

    pub(crate) fn too_many_values() -> Self {
        let detail = "too many large values are being sent; try again soon";
        Self::unavailable("too-many-values", "Too many large values", detail)
    }

    pub(crate) fn shutting_down() -> Self {
        Self::unavailable("stopping", "Stopping", "this server is shutting down; try again")
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        let (kind, title) = match error {
            IndexError::TooHigh { .. } => ("index-too-high", "Index too high"),
            IndexError::Missing | IndexError::NotWhole => ("not-an-index", "Not an index"),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, title, error.to_string())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let example = r#"the body must be a JSON object such as {"index":"7"}"#;
        let (kind, title, detail) = match rejection {
            JsonRejection::JsonSyntaxError(_) => ("malformed-json", "Malformed JSON", example),
            JsonRejection::JsonDataError(_) => ("not-an-index", "Not an index", example),
            JsonRejection::MissingJsonContentType(_) => (
                "not-json",
                "Not JSON",
                "the body must be JSON, with content-type: application/json",
            ),
            _ => return Self::from_status(rejection.status()),
        };
        Self::new(rejection.status(), kind, title, detail)
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::wrong_parameter(rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::from_status(rejection.status())
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let failure = PostgresFailure::from(&error);
        let response = match failure {
            PostgresFailure::Permanent => Self::internal(),
            _ => {
                let detail = "the database is unavailable; try again soon";
                Self::unavailable("postgres-away", "Temporarily unavailable", detail)
            }
        };
        let is_outage = match failure {
            PostgresFailure::Unavailable
            | PostgresFailure::RefusesWrites
            | PostgresFailure::SchemaMissing => true,
            // The health check may succeed at the same time.
            PostgresFailure::DiskFull | PostgresFailure::Conflict | PostgresFailure::Permanent => {
                false
            }
        };
        Self { is_outage, ..response.with_cause(format!("Postgres: {error}")) }
    }
}

impl From<queue::QueueError> for ApiError {
    fn from(error: queue::QueueError) -> Self {
        let detail = "values cannot be read at the moment; try again soon";
        let response = Self::unavailable("redis-away", "Temporarily unavailable", detail);
        // `RedisClient::poll_health` logs the outage.
        Self { is_outage: true, ..response.with_cause(error) }
    }
}

/// Without a body: [`render`] adds it, because it needs the request id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Extension(self)).into_response()
    }
}

/// Adds the body of an error response, and logs its cause. Other responses pass unchanged.
pub(crate) fn render(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let is_failure = parts.status.is_client_error() || parts.status.is_server_error();
    // Readiness has a JSON body for its 503.
    let has_json =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let error = match parts.extensions.remove::<ApiError>() {
        Some(error) => error,
        None if is_failure && !has_json => ApiError::from_status(parts.status),
        None => return Response::from_parts(parts, body),
    };
    match &error.cause {
        Some(cause) if error.is_outage => {
            tracing::debug!(status = error.status.as_u16(), error = %cause, "request failed");
        }
        Some(cause) => {
            tracing::error!(status = error.status.as_u16(), error = %cause, "request failed")
        }
        None if error.status.is_server_error() && REFUSALS.is_due(now_micros()) => {
            tracing::warn!(status = error.status.as_u16(), reason = error.title, "request refused");
        }
        None => {}
    }
    // Set by `PropagateRequestIdLayer`.
    let request_id = parts.headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
    let problem = Problem {
        kind: error.kind.map_or("about:blank".to_owned(), |kind| format!("urn:problem:{kind}")),
        title: error.title.to_owned(),
        status: error.status.as_u16(),
        detail: error.detail,
        request_id: request_id.map(str::to_owned),
    };
    parts.status = error.status;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if error.is_retryable {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
    }
    // Serializing strings and numbers cannot fail.
    Response::from_parts(parts, Body::from(serde_json::to_vec(&problem).unwrap_or_default()))
}

/// Limits a log line to one a second.
struct OncePerSecond(AtomicU64);

impl OncePerSecond {
    /// Whether this is the first call in the second of `now`, a time in µs.
    fn is_due(&self, now: u64) -> bool {
        let second = now / 1_000_000;
        self.0.swap(second, Ordering::Relaxed) != second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_line_is_logged_once_a_second() {
        let line = OncePerSecond(AtomicU64::new(0));
        let logged = [1_900_000, 1_999_999, 2_000_000, 2_000_001].map(|now| line.is_due(now));
        assert_eq!(logged, [true, false, true, false]);
    }
}
