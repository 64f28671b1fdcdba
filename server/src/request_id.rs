//! The id of a request, in the header `x-request-id`: validates ids from clients and generates new
//! ones.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderName, HeaderValue};
use tower_http::request_id::{self, MakeRequestId};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is accepted from a client, in bytes.
const MAX_LENGTH: usize = 64;

/// Extractor for the id that `SetRequestIdLayer` has set.
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

/// Removes an id that would need escaping in log lines, events or headers: only up to 64 letters,
/// digits, `.`, `_`, `-` are allowed. `SetRequestIdLayer` keeps any id that the client sends.
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

/// Generates 128 random bits in hexadecimal, like the edge's `$request_id`. `MakeRequestUuid` has
/// another format and needs a system call for each id.
#[derive(Clone, Copy)]
pub(crate) struct MakeHexId;

impl MakeRequestId for MakeHexId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<request_id::RequestId> {
        HeaderValue::try_from(format!("{:032x}", fastrand::u128(..)))
            .ok()
            .map(request_id::RequestId::new)
    }
}
