//! Answers that a client may have already: their tags, and 304 for a tag that is still right (RFC 9110, 13.1.2).
//!
//! What is tagged with what is decided where it is rendered.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A copy may be kept, and is asked for again each time.
const REVALIDATE: &str = "no-cache";

/// What may be the same the next time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Document {
    kind: &'static str,
    body: Bytes,
    tag: Arc<str>,
}

impl Document {
    /// A document of this media type; its tag is a hash of its content.
    pub(super) fn new(kind: &'static str, body: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        Self { kind, body: body.into(), tag: format!("\"{:016x}\"", hasher.finish()).into() }
    }

    /// As JSON.
    pub(super) fn json(what: &impl Serialize) -> Self {
        // Lists of numbers and strings have no way to fail.
        Self::new("application/json", serde_json::to_vec(what).unwrap_or_default())
    }

    /// The document, or 304 when `request` names its tag.
    pub(super) fn answer(self, request: &HeaderMap) -> Response {
        let headers = [(header::ETAG, &*self.tag), (header::CACHE_CONTROL, REVALIDATE)];
        if is_named(request, &self.tag) {
            return (StatusCode::NOT_MODIFIED, headers, ()).into_response();
        }
        (headers, [(header::CONTENT_TYPE, self.kind)], self.body).into_response()
    }
}

/// Whether a request's `If-None-Match` names `tag`. A proxy that compresses makes tags weak; the content is the same.
pub(super) fn is_named(request: &HeaderMap, tag: &str) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_not_and_no_other_is() {
        let named = |lines: &[&'static str]| {
            let mut request = HeaderMap::new();
            for line in lines {
                request.append(header::IF_NONE_MATCH, HeaderValue::from_static(line));
            }
            is_named(&request, "\"a\"")
        };
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(named(&[tags]), "{tags}");
        }
        for tags in ["", "a", "\"b\"", "\"a", "\"aa\""] {
            assert!(!named(&[tags]), "{tags}");
        }
        assert!(named(&["\"b\"", "\"a\""]), "in the second line");
        assert!(!named(&[]));
    }

    #[test]
    fn a_document_of_the_same_content_has_the_same_tag_and_no_other_has() {
        let tag = |what: &[u32]| Document::json(&what).tag;
        assert_eq!(tag(&[1, 2]), tag(&[1, 2]));
        assert_ne!(tag(&[1, 2]), tag(&[2, 1]));
    }
}
