//! The event stream: what the server tells by itself.
//!
//! A browser would come back to a broken stream by itself, at a pace of its own, but gives up when it is answered by an error.
//! So a stream that breaks is closed here, and `live` decides when the next one is opened.

use wasm_bindgen::prelude::*;
use web_sys::{EventSource, MessageEvent};

use crate::state::Change;
use crate::wire::Json;

/// What the event stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something happened to the lists.
    Change(Change),
    /// The first on every stream, and whenever something may have been missed: fetch the lists.
    Reset,
    /// Nothing happened, and the stream is alive.
    Beat,
    /// The stream is no more.
    Broken,
}

/// An open event stream; dropped, it is closed.
pub struct Events {
    source: EventSource,
    /// What the browser calls; it must live as long as the stream does.
    _listeners: Vec<Closure<dyn FnMut(web_sys::Event)>>,
}

impl Events {
    /// Opens the stream; `tell` is called with everything that comes. `None` when the browser does not even try.
    pub fn open(tell: impl Fn(Event) + Clone + 'static) -> Option<Self> {
        let source = EventSource::new("/api/events").ok()?;
        let mut listeners = Vec::new();
        for name in ["error", "reset", "beat", "seen", "value", "failed"] {
            let tell = tell.clone();
            let listener =
                Closure::<dyn FnMut(web_sys::Event)>::new(move |event| tell(translate(name, &event)));
            source.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref()).ok()?;
            listeners.push(listener);
        }
        Some(Self { source, _listeners: listeners })
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.source.close();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a browser's event on the stream means.
fn translate(name: &str, event: &web_sys::Event) -> Event {
    match name {
        "error" => return Event::Broken,
        "beat" => return Event::Beat,
        _ => {}
    }
    let data = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
    // When this page does not understand it, what it told is still in the lists.
    data.and_then(|data| change(name, &data)).map_or(Event::Reset, Event::Change)
}

/// Reads the data of one named event.
#[must_use]
pub fn change(name: &str, data: &str) -> Option<Change> {
    let json = Json::parse(data)?;
    match name {
        "seen" => json.seen().map(Change::Seen),
        "value" => json.computed().map(Change::Computed),
        "failed" => json.failed().map(Change::Failed),
        _ => None,
    }
}
