//! The only module that speaks HTTP: the routes the page uses, below `/api`.
//!
//! An error is a value a component can show; nothing here panics because a server misbehaves. It decides
//! neither when to fetch nor when to try again, and keeps nothing but the open event stream.

use std::collections::BTreeSet;

use api::{Problem, Submission, Submitted};
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, EventSource, MessageEvent, RequestInit, Response};

use crate::state::{Change, Current};

/// Longer than any answer takes (the edge gives the api 15 s), so that the edge's words are shown, not ours.
const TIMEOUT_MS: u32 = 20_000;

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

/// Every index submitted.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn submissions() -> Result<Vec<Submission>, Error> {
    request("/api/values/all", &RequestInit::new()).await
}

/// The value of each index.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn current() -> Result<Current, Error> {
    request("/api/values/current", &RequestInit::new()).await
}

/// The indices that were given up.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn failed() -> Result<BTreeSet<u32>, Error> {
    request("/api/values/failed", &RequestInit::new()).await
}

/// Submits what was typed, as it was typed: the server judges it.
///
/// # Errors
/// [`Error`], as every request here.
pub async fn submit(index: &str) -> Result<Submitted, Error> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&serde_json::json!({ "index": index }).to_string().into());
    let headers = web_sys::Headers::new().map_err(|_| Error::Unreachable)?;
    headers.set("content-type", "application/json").map_err(|_| Error::Unreachable)?;
    init.set_headers(&headers);
    request("/api/values", &init).await
}

async fn request<T: DeserializeOwned>(path: &str, init: &RequestInit) -> Result<T, Error> {
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));
    let window = web_sys::window().ok_or(Error::Unreachable)?;
    let answer = async {
        let response = JsFuture::from(window.fetch_with_str_and_init(path, init)).await?;
        let response: Response = response.dyn_into()?;
        let text = JsFuture::from(response.text()?).await?;
        Ok::<_, JsValue>((response.status(), text.as_string().unwrap_or_default()))
    };
    let (status, text) = answer.await.map_err(|_| Error::Unreachable)?;
    judge(status, &text)
}

/// Turns an answer into what was asked for, or into the reason it is not.
fn judge<T: DeserializeOwned>(status: u16, text: &str) -> Result<T, Error> {
    if (200..300).contains(&status) {
        serde_json::from_str(text).map_err(|_| Error::Unexpected(status))
    } else {
        Err(serde_json::from_str(text).map_or(Error::Unexpected(status), Error::Problem))
    }
}

/// What the event stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The stream is open, for the first time or again.
    Open,
    /// Something happened to the lists.
    Change(Change),
    /// Something may have been missed: fetch the lists.
    Reset,
    /// The stream broke and the browser is connecting again.
    Broken,
    /// The stream broke for good; a new one is needed.
    Closed,
}

/// An open event stream; dropped, it is closed.
pub struct Events {
    source: EventSource,
    /// What the browser calls; it must live as long as the stream does.
    _listeners: Vec<Closure<dyn FnMut(web_sys::Event)>>,
}

impl Events {
    /// Opens the stream; `tell` is called with everything that comes.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the browser does not even try.
    pub fn open(tell: impl Fn(Event) + Clone + 'static) -> Result<Self, Error> {
        let source = EventSource::new("/api/events").map_err(|_| Error::Unreachable)?;
        let mut listeners = Vec::new();
        for name in ["open", "error", "reset", "seen", "value", "failed"] {
            let tell = tell.clone();
            let listener = Closure::<dyn FnMut(web_sys::Event)>::new(move |event| {
                if let Some(event) = translate(name, &event) {
                    tell(event);
                }
            });
            source
                .add_event_listener_with_callback(name, listener.as_ref().unchecked_ref())
                .map_err(|_| Error::Unreachable)?;
            listeners.push(listener);
        }
        Ok(Self { source, _listeners: listeners })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.source.close();
    }
}

/// What a browser's event on the stream means; `None` when it means nothing.
fn translate(name: &str, event: &web_sys::Event) -> Option<Event> {
    match name {
        "open" => Some(Event::Open),
        "reset" => Some(Event::Reset),
        "error" => {
            let source: EventSource = event.target()?.dyn_into().ok()?;
            let closed = source.ready_state() == EventSource::CLOSED;
            Some(if closed { Event::Closed } else { Event::Broken })
        }
        _ => {
            let data = event.dyn_ref::<MessageEvent>()?.data().as_string()?;
            // When this page does not understand it, what it told is still in the lists.
            Some(change(name, &data).map_or(Event::Reset, Event::Change))
        }
    }
}

/// Reads the data of one named event.
fn change(name: &str, data: &str) -> Option<Change> {
    match name {
        "seen" => serde_json::from_str(data).map(Change::Seen).ok(),
        "value" => serde_json::from_str(data).map(Change::Computed).ok(),
        "failed" => serde_json::from_str(data).map(Change::Failed).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_by_its_title_and_detail() {
        let text =
            r#"{"type":"about:blank","title":"Index too high","status":422,"detail":"the highest is 40"}"#;
        let error = judge::<Submitted>(422, text).unwrap_err();
        assert_eq!(error.to_string(), "Index too high: the highest is 40");
        let text = r#"{"type":"about:blank","title":"Bad gateway","status":502}"#;
        assert_eq!(judge::<Submitted>(502, text).unwrap_err().to_string(), "Bad gateway");
    }

    #[test]
    fn an_answer_from_something_else_is_an_error_not_a_panic() {
        assert_eq!(judge::<Current>(200, "<html>").unwrap_err(), Error::Unexpected(200));
        assert_eq!(judge::<Current>(504, "").unwrap_err(), Error::Unexpected(504));
    }

    #[test]
    fn the_values_are_keyed_by_number() {
        let values: Current = judge(200, r#"{"3":"2","10":"Nothing yet!"}"#).unwrap();
        assert_eq!(values.into_keys().collect::<Vec<_>>(), [3, 10]);
    }

    #[test]
    fn named_events_become_changes() {
        let seen = change("seen", r#"{"id":1,"index":10,"request_id":"r"}"#);
        assert!(matches!(seen, Some(Change::Seen(seen)) if seen.index.get() == 10));
        let value = r#"{"index":10,"value":"55","digits":2,"request_id":"r","worker":"w","hops":{}}"#;
        assert!(matches!(change("value", value), Some(Change::Computed(value)) if value.value == "55"));
        assert!(matches!(change("failed", r#"{"index":7,"request_id":"r"}"#), Some(Change::Failed(_))));
        assert_eq!(change("seen", "not json"), None);
    }
}
