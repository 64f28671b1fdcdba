//! Extractors of the routes: axum's own with [`ApiError`] as the rejection, and [`EdgeTime`].

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::error::ApiError;

#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(crate) struct Json<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

/// Time at which the edge had read the request, in microseconds since the Unix epoch, from the
/// header `X-Request-Start: t=<seconds>`; 0 without a valid header.
pub(crate) struct EdgeTime(pub(crate) u64);

impl EdgeTime {
    fn from_headers(headers: &HeaderMap) -> Self {
        let start = headers.get("x-request-start").and_then(|start| start.to_str().ok());
        let seconds = start.and_then(|start| start.strip_prefix("t=")?.parse::<f64>().ok());
        // The cast turns a negative number and NaN into 0.
        Self(seconds.map_or(0, |seconds| (seconds * 1e6).round() as u64))
    }
}

impl<S: Sync> FromRequestParts<S> for EdgeTime {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_edge_time_is_parsed_and_an_invalid_one_is_zero() {
        let time = |start: &str| {
            let name = HeaderName::from_static("x-request-start");
            let value = HeaderValue::from_str(start).unwrap();
            let EdgeTime(micros) = EdgeTime::from_headers(&HeaderMap::from_iter([(name, value)]));
            micros
        };
        assert_eq!(time("t=1700000000.123"), 1_700_000_000_123_000);
        for invalid in ["", "t=", "t=abc", "t=-1", "t=NaN", "1700000000"] {
            assert_eq!(time(invalid), 0, "{invalid}");
        }
    }
}
