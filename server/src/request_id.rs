//! The id of a request, in the header `x-request-id`: which ids are accepted, and how new ones are
//! made.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderName, HeaderValue};
use tower_http::request_id::{self, MakeRequestId};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is accepted from a client, in bytes.
const MAX_LENGTH: usize = 64;

/// The request's id, as `SetRequestIdLayer` has set it.
pub(crate) struct RequestId(Option<request_id::RequestId>);

impl RequestId {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        Self(extensions.get().cloned())
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// `SetRequestIdLayer` keeps whatever the client sends. This keeps an id only if it can stand in
/// log lines, events and headers without escaping: up to 64 letters, digits, `.`, `_`, `-`.
pub(crate) fn drop_invalid(mut request: Request) -> Request {
    let is_valid = |id: &HeaderValue| {
        (1..=MAX_LENGTH).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    if !request.headers().get(X_REQUEST_ID).is_some_and(is_valid) {
        request.headers_mut().remove(X_REQUEST_ID);
    }
    request
}

/// 128 random bits in hexadecimal, as the edge makes them. `MakeRequestUuid` would make ids of
/// another form, by a system call each.
#[derive(Clone, Copy)]
pub(crate) struct MakeHexId;

impl MakeRequestId for MakeHexId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<request_id::RequestId> {
        HeaderValue::try_from(format!("{:032x}", fastrand::u128(..)))
            .ok()
            .map(request_id::RequestId::new)
    }
}
