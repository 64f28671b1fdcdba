//! What a failed request looks like, from both sides: a [`Problem`] for the user, a text for the log.
//!
//! The only place that knows status codes. A 5xx never carries inner text: what went wrong inside is for the
//! log, where `observe` writes it once, together with the request's id.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{IndexError, Problem};

/// When a client should try again, in seconds: reconnecting takes about as long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A failed request.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    status: StatusCode,
    /// A name for this kind of problem that never changes; `None` when the status says it all.
    kind: Option<&'static str>,
    title: &'static str,
    detail: Option<String>,
    retry: bool,
    /// The inner face.
    log: Option<Arc<str>>,
}

impl Error {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind: Some(kind), title, detail: Some(detail.into()), retry: false, log: None }
    }

    fn away(kind: &'static str, title: &'static str, detail: &str) -> Self {
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail) }
    }

    fn with_log(self, log: impl ToString) -> Self {
        Self { log: Some(log.to_string().into()), ..self }
    }

    /// The bare status, for what the router itself refuses.
    pub(crate) fn status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status, kind: None, title, detail: None, retry: false, log: None }
    }

    pub(crate) fn no_such_route() -> Self {
        Self::status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn wrong_method() -> Self {
        Self::status(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub(crate) fn never_submitted(index: contract::Index) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "never-submitted",
            "Never submitted",
            format!("nobody has submitted the index {index} yet"),
        )
    }

    pub(crate) fn wrong_parameter(detail: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-parameter", "Wrong parameter", detail)
    }

    pub(crate) fn given_up(index: contract::Index) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "given-up",
            "Given up",
            format!("calculating the index {index} failed too often; it lies among the dead letters"),
        )
    }

    pub(crate) fn queue_full() -> Self {
        Self::away("queue-full", "Too much to do", "the queue is full: nothing was accepted, try again soon")
    }

    pub(crate) fn too_many_streams() -> Self {
        Self::away("too-many-streams", "Too many event streams", "no further event stream can be opened now")
    }

    pub(crate) fn no_room() -> Self {
        Self::away("too-many-values", "Too many large values", "others are being sent; try again soon")
    }

    pub(crate) fn too_slow() -> Self {
        Self::away("too-slow", "Took too long", "the request was given up")
            .with_log("a request took too long")
    }

    pub(crate) fn stopping() -> Self {
        Self::away("stopping", "Stopping", "this server is being stopped; another will answer")
    }
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            IndexError::TooHigh { .. } => {
                Self::new(status, "index-too-high", "Index too high", error.to_string())
            }
            IndexError::Missing | IndexError::NotWhole => {
                Self::new(status, "not-an-index", "Not an index", error.to_string())
            }
        }
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        let expected = r#"a JSON object is expected, such as {"index":"7"}"#;
        match rejection {
            JsonRejection::JsonSyntaxError(_) => {
                Self::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", expected)
            }
            JsonRejection::MissingJsonContentType(_) => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "Not JSON",
                "the body must be JSON, with content-type: application/json",
            ),
            JsonRejection::JsonDataError(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not-an-index", "Not an index", expected)
            }
            other => Self::status(other.status()),
        }
    }
}

impl From<Arc<sqlx::Error>> for Error {
    fn from(error: Arc<sqlx::Error>) -> Self {
        Self::from(&*error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&sqlx::Error> for Error {
    fn from(error: &sqlx::Error) -> Self {
        if is_away(error) {
            Self::away("postgres-away", "Temporarily unavailable", "this cannot be done now; try again soon")
                .with_log(format!("Postgres: {error}"))
        } else {
            Self::status(StatusCode::INTERNAL_SERVER_ERROR).with_log(format!("Postgres: {error}"))
        }
    }
}

impl From<queue::Error> for Error {
    fn from(error: queue::Error) -> Self {
        Self::away("redis-away", "Temporarily unavailable", "values cannot be read now; try again soon")
            .with_log(error)
    }
}

/// Whether waiting can help: Postgres is not reached, starts, stops, or has not been migrated yet.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection trouble, not enough resources, operator's intervention; no such table or database yet;
            // wrong password, which an operator mends while we wait; undone for another's sake, as in a deadlock.
            ["08", "53", "57", "28", "40"].iter().any(|class| code.starts_with(class))
                || ["42P01", "3D000", "25006"].contains(&&*code)
        }),
        _ => false,
    }
}

/// Travels from the handler to `observe`, which knows the request's id.
#[derive(Clone)]
pub(crate) struct Failed(Error);

impl Failed {
    /// The user's face.
    pub(crate) fn into_response(self, request_id: &str) -> Response {
        let error = self.0;
        let problem = Problem {
            kind: error.kind.map_or("about:blank".to_owned(), |kind| format!("urn:problem:{kind}")),
            title: error.title.to_owned(),
            status: error.status.as_u16(),
            detail: error.detail,
            request_id: Some(request_id.to_owned()),
        };
        let mut response = (error.status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if error.retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
        }
        response
    }

    /// The log's face, when there is something that the user was not told.
    pub(crate) fn log(&self) -> Option<&str> {
        self.0.log.as_deref()
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Failed(self));
        response
    }
}
