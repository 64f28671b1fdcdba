//! Around every request: its id, its time limit, its metrics, and the form of its failure.
//!
//! The id is the edge's, or made here. Failures come from the handlers as values and become
//! `application/problem+json` here, once, where they are also logged, once.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{Error, Failed};
use crate::meters::Meters;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest a request may take; an event stream's answer begins at once and is not bounded by this.
const LIMIT: Duration = Duration::from_secs(10);

/// The id of a request: 1 to 64 letters, digits, `.`, `_`, `-`.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    fn of(request: &Request) -> Self {
        let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
        given.filter(|id| is_sane(id)).map_or_else(Self::new, |id| Self(id.to_owned()))
    }

    fn new() -> Self {
        let mut id = String::with_capacity(32);
        // A string takes whatever is written to it.
        let _ = write!(id, "{:032x}", fastrand::u128(..));
        Self(id)
    }
}

/// What may appear in log lines, events and headers without any escaping.
fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Taken out of the request: a handler asks for it once.
impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.remove().unwrap_or_else(|| Self(String::new())))
    }
}

/// The middleware.
pub(crate) async fn observe(State(meters): State<Arc<Meters>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let uri = request.uri().clone();
    request.extensions_mut().insert(id.clone());

    let response = match tokio::time::timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::too_slow().into_response(),
    };
    let mut response = finish(response, &id.0, &method, uri.path());
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(&REQUEST_ID, id);
    }
    let (status, took) = (response.status(), started.elapsed());
    let (path, ms) = (uri.path(), took.as_millis());
    tracing::debug!(request_id = id.0, %method, path, status = status.as_u16(), ms, "answered");
    meters.count(&method, route.as_ref().map_or("none", MatchedPath::as_str), status, took);
    response
}

/// Gives a failure its form, whether it comes from a handler or from the router.
fn finish(mut response: Response, request_id: &str, method: &Method, path: &str) -> Response {
    let status = response.status();
    let failed = match response.extensions_mut().remove::<Failed>() {
        Some(failed) => failed,
        None if status.is_client_error() || status.is_server_error() => {
            match Error::status(status).into_response().extensions_mut().remove::<Failed>() {
                // A readiness answer of 503 is no failed request: it has its own body.
                Some(failed)
                    if response
                        .headers()
                        .get("content-type")
                        .is_none_or(|kind| kind != "application/json") =>
                {
                    failed
                }
                _ => return response,
            }
        }
        None => return response,
    };
    if let Some(log) = failed.log() {
        let status = failed.status().as_u16();
        tracing::error!(request_id, %method, path, status, error = log, "request failed");
    }
    let headers = std::mem::take(response.headers_mut());
    let mut answer = failed.into_response(request_id);
    // What the router adds to a 405.
    if let Some(allow) = headers.get("allow") {
        answer.headers_mut().insert("allow", allow.clone());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_need_no_escaping_are_accepted() {
        for id in ["a", "0123456789abcdef0123456789abcdef", "A.b_c-9", &"x".repeat(64)] {
            assert!(is_sane(id), "{id:?}");
        }
        for id in ["", "a b", "a\"b", "ä", "a\n", &"x".repeat(65)] {
            assert!(!is_sane(id), "{id:?}");
        }
    }
}
