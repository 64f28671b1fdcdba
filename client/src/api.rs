//! HTTP requests to the routes below `/api`. The event stream is in `live`.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{IgnoredFields, IndexInput, PENDING, Problem, SubmitRequest, SubmitResponse};
use futures_util::future::join;
use gloo_net::http::{Request, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use web_sys::AbortSignal;

use crate::format;
use crate::state::health::SystemHealth;
use crate::state::lists::{FetchedLists, PAGE_SIZE};

/// Longer than the edge waits for the api (15 s), so that the page shows the edge's error.
const REQUEST_TIMEOUT_MS: u32 = 20_000;

/// Health checks run every 2 s. One that takes longer than this counts as a lost connection.
const HEALTH_TIMEOUT_MS: u32 = 4_000;

/// Long enough for two million digits over a slow line.
const DIGITS_TIMEOUT_MS: u32 = 15 * 60_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestError {
    /// No response: a network error or a timeout.
    Unreachable,
    /// The page was reloaded before the response arrived.
    Reloaded,
    /// An error response of the api or of the edge.
    Refused {
        problem: Problem,
        /// The header `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// A response with this status whose body could not be read, for example from a proxy.
    Unexpected(u16),
}

impl RequestError {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Unreachable | Self::Reloaded => None,
            Self::Refused { problem, .. } => Some(problem.status),
            Self::Unexpected(status) => Some(*status),
        }
    }

    /// Whether the input is wrong, so that a retry cannot help.
    pub(crate) fn is_input_error(&self) -> bool {
        matches!(self.status(), Some(400 | 413 | 422))
    }

    /// Whether the server may have carried out the request, although it failed here.
    pub(crate) fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Unreachable | Self::Reloaded | Self::Unexpected(_) => true,
            Self::Refused { problem, .. } => matches!(problem.status, 500 | 502 | 504),
        }
    }

    /// Seconds until a retry may succeed; `None` if the connection has to come back first.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Unreachable | Self::Reloaded => None,
            Self::Refused { retry_after, .. } => Some(retry_after.unwrap_or(0)),
            Self::Unexpected(_) => Some(0),
        }
    }

    /// The error as a sentence, without the details that `Display` adds.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Unreachable => "The server cannot be reached.".to_owned(),
            Self::Reloaded => "The page was reloaded before the response arrived.".to_owned(),
            Self::Refused { problem, .. } => format::sentence(&problem.title),
            Self::Unexpected(status) => {
                format!("The server sent an unexpected response ({status}).")
            }
        }
    }
}

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { problem: Problem { title, detail: Some(detail), .. }, .. } => {
                f.write_str(&format::sentence(&format!("{title}: {detail}")))
            }
            other => f.write_str(&other.title()),
        }
    }
}

/// Fetches the newest `count` indices and values. With `before`, the id of a submission, the
/// indices are the next page of older ones.
pub(crate) async fn lists(count: usize, before: Option<i64>) -> Result<FetchedLists, RequestError> {
    let (indices, values) = (indices_path(count, before), values_path(count));
    let (indices, values) = join(get(&indices), get(&values)).await;
    let (indices, values): (_, BTreeMap<u32, String>) = (indices?.parse()?, values?.parse()?);
    // The list of values shows dead letters as pending. Usually nothing is pending, which saves a
    // request.
    let has_pending = values.values().any(|text| text == PENDING);
    let dead_letters: Vec<u32> =
        if has_pending { get("/api/values/failed").await?.parse()? } else { Vec::new() };
    Ok(FetchedLists::new(indices, values, &dead_letters))
}

/// All digits of F(`index`); `None` while they are being calculated.
pub(crate) async fn digits(index: u32) -> Result<Option<Arc<str>>, RequestError> {
    let request = with_timeout(Request::get(&digits_path(index)), DIGITS_TIMEOUT_MS);
    let response = send(request.build()).await?.success()?;
    Ok((response.status != 202).then(|| response.text.into()))
}

pub(crate) fn digits_path(index: u32) -> String {
    format!("/api/values/{index}")
}

/// The health of the system; `None` when the edge's rate limit refused the request.
pub(crate) async fn health() -> Option<SystemHealth> {
    let request = with_timeout(Request::get("/api/health/ready"), HEALTH_TIMEOUT_MS).build();
    let Ok(response) = send(request).await else { return Some(SystemHealth::Unreachable) };
    match response.parse() {
        Ok(readiness) => Some(SystemHealth::Checked(readiness)),
        Err(_) if response.status == 429 => None,
        Err(_) => Some(SystemHealth::EdgeOnly),
    }
}

pub(crate) async fn submit(index: u32, request_id: &str) -> Result<SubmitResponse, RequestError> {
    let body = SubmitRequest { index: IndexInput::Number(index.into()), others: IgnoredFields };
    let request = Request::post("/api/values").header("x-request-id", request_id);
    send(with_timeout(request, REQUEST_TIMEOUT_MS).json(&body)).await?.success()?.parse()
}

/// Asks for no more digits than the page shows: fifty values of 500 digits would be 25 kB.
fn values_path(count: usize) -> String {
    format!("/api/values/current?limit={count}&digits={}", contract::MAX_WHOLE_DIGITS_ON_PAGE)
}

fn indices_path(count: usize, before: Option<i64>) -> String {
    match before {
        None => format!("/api/indices?limit={count}"),
        Some(before) => format!("/api/indices?limit={PAGE_SIZE}&before={before}"),
    }
}

async fn get(path: &str) -> Result<ApiResponse, RequestError> {
    send(with_timeout(Request::get(path), REQUEST_TIMEOUT_MS).build()).await?.success()
}

fn with_timeout(request: RequestBuilder, milliseconds: u32) -> RequestBuilder {
    request.abort_signal(Some(&AbortSignal::timeout_with_u32(milliseconds)))
}

/// A response with its body.
struct ApiResponse {
    status: u16,
    /// The header `Retry-After`, in seconds.
    retry_after: Option<u32>,
    text: String,
}

async fn send(request: Result<Request, gloo_net::Error>) -> Result<ApiResponse, RequestError> {
    let response = async { request?.send().await }.await.map_err(|_| RequestError::Unreachable)?;
    let status = response.status();
    let retry_after =
        response.headers().get("retry-after").and_then(|seconds| seconds.parse().ok());
    let text = response.text().await.map_err(|_| RequestError::Unreachable)?;
    Ok(ApiResponse { status, retry_after, text })
}

impl ApiResponse {
    /// Turns a response with an error status into an error.
    fn success(self) -> Result<Self, RequestError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let retry_after = self.retry_after;
        Err(self
            .parse()
            .map_or_else(|error| error, |problem| RequestError::Refused { problem, retry_after }))
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        serde_json::from_str(&self.text).map_err(|_| RequestError::Unexpected(self.status))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn refused(
        status: u16,
        title: &str,
        detail: Option<&str>,
        retry_after: Option<u32>,
    ) -> RequestError {
        let (kind, title, detail) =
            ("about:blank".to_owned(), title.to_owned(), detail.map(str::to_owned));
        let problem = Problem { kind, title, status, detail, request_id: None };
        RequestError::Refused { problem, retry_after }
    }

    #[test]
    fn a_problem_is_shown_by_its_title_and_detail() {
        let problem = refused(422, "Index too high", Some("the highest is 40"), None);
        assert_eq!(problem.to_string(), "Index too high: the highest is 40.");
        assert_eq!(problem.title(), "Index too high.");
        assert_eq!(refused(422, "Index too high", None, None).to_string(), "Index too high.");
        assert_eq!(RequestError::Unreachable.title(), "The server cannot be reached.");
    }

    #[test]
    fn only_a_refused_input_is_an_input_error() {
        let error = |status| refused(status, "Why", None, None);
        assert!(error(422).is_input_error() && !error(422).is_outcome_unknown());
        assert!(!error(429).is_input_error() && !error(503).is_outcome_unknown());
        assert!(error(504).is_outcome_unknown() && RequestError::Unreachable.is_outcome_unknown());
    }

    #[test]
    fn an_older_page_of_indices_begins_before_the_last_row() {
        assert_eq!(indices_path(200, None), "/api/indices?limit=200");
        assert_eq!(indices_path(200, Some(7)), "/api/indices?limit=50&before=7");
        assert_eq!(values_path(100), "/api/values/current?limit=100&digits=60");
    }
}
