//! The only module that speaks HTTP: the routes the page uses, below `/api`. Its neighbour `events` has the stream.
//!
//! An error is a value that a view can show; nothing here panics because a server misbehaves. It decides neither when to
//! fetch nor when to try again, and keeps nothing.

use contract::{Problem, SubmitResponse as Submitted};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, RequestInit, Response};

use crate::state::{Lists, PAGE, WHOLE};
use crate::system::Look;
use crate::text;
use crate::wire::Json;

/// Longer than any answer takes (the edge gives the api 15 s), so that the edge's words are shown, not ours.
const TIMEOUT_MS: u32 = 20_000;

/// For what may be two million digits on a slow line.
const PATIENT_MS: u32 = 15 * 60_000;

const FAILED: &str = "/api/values/failed";

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No answer at all.
    Unreachable,
    /// The server, or the edge in front of it, said no and why.
    Problem(Problem),
    /// An answer that is not from our server.
    Unexpected(u16),
}

impl Error {
    /// Whether a request may have been carried out all the same: the server has not spoken.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Unreachable | Self::Unexpected(_) => true,
            Self::Problem(problem) => matches!(problem.status, 500 | 502 | 504),
        }
    }

    /// In a few words, where there is no room for more.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Self::Problem(problem) => text::sentence(&problem.title),
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable => f.write_str("The server cannot be reached."),
            Self::Problem(Problem { title, detail: Some(detail), .. }) => write!(f, "{title}: {detail}"),
            Self::Problem(problem) => f.write_str(&problem.title),
            Self::Unexpected(status) => {
                write!(f, "The server gave an answer that makes no sense ({status}).")
            }
        }
    }
}

impl std::error::Error for Error {}

/// The lists, of the newest `count` indices.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn lists(count: usize) -> Result<Lists, Error> {
    let indices = Exchange::get(&indices_path(count, None));
    let current = Exchange::get(&current_path(count));
    fetched(indices, current).await
}

/// The page of indices before a submission, and the values of the newest `count`, with which they are among them.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn older(before: i64, count: usize) -> Result<Lists, Error> {
    let indices = Exchange::get(&indices_path(PAGE, Some(before)));
    let current = Exchange::get(&current_path(count));
    fetched(indices, current).await
}

/// What two requests bring that are under way, and a third when it can bring anything.
async fn fetched(indices: Exchange, current: Exchange) -> Result<Lists, Error> {
    let indices = read(&indices.success().await?, Json::known)?;
    let current = read(&current.success().await?, Json::current)?;
    // What was given up is among what is pending: mostly nothing, and then there is nothing to ask.
    let failed = if current.iter().any(|(_, text)| text == contract::PENDING) {
        read(&Exchange::get(FAILED).success().await?, Json::numbers)?
    } else {
        Vec::new()
    };
    Ok(Lists { indices, current, failed })
}

/// All digits of F(`index`); `None` when they are still being calculated.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn digits(index: u32) -> Result<Option<String>, Error> {
    match Exchange::begin(&digits_path(index), &RequestInit::new(), PATIENT_MS).answer().await? {
        (202, _) => Ok(None),
        (status, text) => judge(status, text).map(Some),
    }
}

/// Where the digits of F(`index`) are, for a link.
#[must_use]
pub fn digits_path(index: u32) -> String {
    format!("/api/values/{index}")
}

/// How the system is; `None` when that was not to be learnt this time. Not being ready is an answer too.
pub async fn look() -> Option<Look> {
    match Exchange::get("/api/health/ready").answer().await {
        Ok((status, text)) => Look::of(status, Json::parse(&text).and_then(|json| json.readiness())),
        Err(_) => Some(Look::Nobody),
    }
}

/// Submits what was typed, as it was typed: the server judges it. `request_id` is the id to find it by in all logs.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn submit(index: &str, request_id: &str) -> Result<Submitted, Error> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&format!("{{\"index\":\"{index}\"}}").into());
    let headers = web_sys::Headers::new().map_err(|_| Error::Unreachable)?;
    for (name, value) in [("content-type", "application/json"), ("x-request-id", request_id)] {
        headers.set(name, value).map_err(|_| Error::Unreachable)?;
    }
    init.set_headers(&headers);
    read(&Exchange::begin("/api/values", &init, TIMEOUT_MS).success().await?, Json::submitted)
}

/// No more of the values than of the indices, and no more of each than is shown: a page that has just been opened has little to
/// show, and fifty values of five hundred digits would be an eighth of its weight.
fn current_path(count: usize) -> String {
    format!("/api/values/current?limit={count}&digits={WHOLE}")
}

fn indices_path(count: usize, before: Option<i64>) -> String {
    match before {
        None => format!("/api/indices?limit={count}"),
        Some(before) => format!("/api/indices?limit={count}&before={before}"),
    }
}

/// A request on its way: the browser sends it when it is made, not when it is awaited.
struct Exchange(Option<JsFuture>);

impl Exchange {
    fn get(path: &str) -> Self {
        Self::begin(path, &RequestInit::new(), TIMEOUT_MS)
    }

    fn begin(path: &str, init: &RequestInit, timeout_ms: u32) -> Self {
        init.set_signal(Some(&AbortSignal::timeout_with_u32(timeout_ms)));
        Self(web_sys::window().map(|window| window.fetch_with_str_and_init(path, init).into()))
    }

    /// The status and the text of the answer, whatever they are.
    async fn answer(self) -> Result<(u16, String), Error> {
        let answer = async {
            let response: Response = self.0.ok_or(JsValue::NULL)?.await?.dyn_into()?;
            let text = JsFuture::from(response.text()?).await?;
            Ok::<_, JsValue>((response.status(), text.as_string().unwrap_or_default()))
        };
        answer.await.map_err(|_| Error::Unreachable)
    }

    async fn success(self) -> Result<String, Error> {
        let (status, text) = self.answer().await?;
        judge(status, text)
    }
}

/// The text of a success, or the reason of a failure.
fn judge(status: u16, text: String) -> Result<String, Error> {
    if (200..300).contains(&status) {
        return Ok(text);
    }
    Err(read(&text, Json::problem).map_or(Error::Unexpected(status), Error::Problem))
}

fn read<T>(text: &str, what: fn(&Json) -> Option<T>) -> Result<T, Error> {
    Json::parse(text).as_ref().and_then(what).ok_or(Error::Unexpected(200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_by_its_title_and_detail() {
        let problem = |detail: Option<&str>| {
            let (kind, title) = ("about:blank".to_owned(), "Index too high".to_owned());
            let detail = detail.map(str::to_owned);
            Error::Problem(Problem { kind, title, status: 422, detail, request_id: None }).to_string()
        };
        assert_eq!(problem(Some("the highest is 40")), "Index too high: the highest is 40");
        assert_eq!(problem(None), "Index too high");
    }

    #[test]
    fn in_brief_the_title_says_it_all() {
        let title = "The server is away".to_owned();
        let problem = Problem {
            kind: String::new(),
            title,
            status: 502,
            detail: Some("…".to_owned()),
            request_id: None,
        };
        assert_eq!(Error::Problem(problem).brief(), "The server is away.");
        assert_eq!(Error::Unreachable.brief(), "The server cannot be reached.");
    }

    #[test]
    fn a_page_of_indices_begins_before_the_last_one_shown() {
        assert_eq!(indices_path(200, None), "/api/indices?limit=200");
        assert_eq!(indices_path(200, Some(7)), "/api/indices?limit=200&before=7");
        assert_eq!(current_path(100), "/api/values/current?limit=100&digits=60");
    }
}
