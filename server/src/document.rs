//! A response body with an ETag, and 304 for a client whose copy is current (RFC 9110, section
//! 13.1.2). By hand, because tower-http has no layer for it, and so that requests that share a read
//! also share its hash.

use std::hash::{DefaultHasher, Hasher};

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::TypedHeader;
use axum_extra::headers::{ETag, IfNoneMatch};
use serde::Serialize;

/// The client may keep a copy, but must revalidate it for each use.
const CACHE_CONTROL: &str = "no-cache";

/// A response body and its ETag. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Document {
    content_type: &'static str,
    body: Bytes,
    etag: Option<ETag>,
}

impl Document {
    /// The ETag is a hash of the body.
    pub(crate) fn new(content_type: &'static str, body: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        let etag = format!("\"{:016x}\"", hasher.finish()).parse().ok();
        Self { content_type, body: body.into(), etag }
    }

    pub(crate) fn json(value: &impl Serialize) -> Self {
        // Serializing lists of numbers and strings cannot fail.
        Self::new("application/json", serde_json::to_vec(value).unwrap_or_default())
    }

    /// The document, or 304 when the client's copy is current.
    pub(crate) fn into_response(self, if_none_match: Option<TypedHeader<IfNoneMatch>>) -> Response {
        let is_current = is_current(if_none_match.as_ref(), self.etag.as_ref());
        let headers = (self.etag.map(TypedHeader), [(header::CACHE_CONTROL, CACHE_CONTROL)]);
        if is_current {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response()
    }
}

/// Whether the client's copy has this ETag.
pub(crate) fn is_current(
    if_none_match: Option<&TypedHeader<IfNoneMatch>>,
    etag: Option<&ETag>,
) -> bool {
    if_none_match.zip(etag).is_some_and(|(condition, etag)| !condition.precondition_passes(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_depends_on_the_body() {
        let etag = |numbers: &[u32]| Document::json(&numbers).etag.unwrap();
        assert_eq!(etag(&[1, 2]), etag(&[1, 2]));
        assert_ne!(etag(&[1, 2]), etag(&[2, 1]));
    }
}
