//! Keeps what the page knows current: follows the event stream, fetches the lists when it (re)opens, asks every few seconds
//! where streams are blocked, and looks at the system's parts.
//!
//! The policy of staying in touch lives here: when to fetch, when to try again, what to say about the connection. How a
//! request is made is `http`'s, what a change means is `model`'s.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::leptos_dom::helpers::{TimeoutHandle, set_timeout_with_handle};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use crate::backoff;
use crate::events::{Event, Events};
use crate::http;
use crate::model::{Connection, Model};
use crate::state::Change;
use crate::store::Store;

/// Changes that come within this are shown together: more often than this, nobody sees them.
const FRAME: Duration = Duration::from_millis(16);
/// For the stream to begin.
const GRACE: Duration = Duration::from_millis(500);
/// Between two looks at the system, and two fetches where streams are blocked.
const TICK: Duration = Duration::from_secs(2);

/// The time by this browser's clock, in µs since the Unix epoch.
#[must_use]
pub(crate) fn now() -> u64 {
    let performance = window().performance();
    // Finer than Date, which has milliseconds.
    let millis = performance.map_or_else(js_sys::Date::now, |clock| clock.time_origin() + clock.now());
    (millis * 1_000.0) as u64
}

/// Follows the server for as long as the page is open.
pub(crate) fn follow(store: Store) {
    let live = Rc::new(Live {
        store,
        events: RefCell::new(None),
        arrived: RefCell::new(Vec::new()),
        heard: Cell::new(0),
        failed_opens: Cell::new(0),
        reopening: Cell::new(None),
        failed_fetches: Cell::new(0),
        fetching: Cell::new(false),
        fetch_again: Cell::new(false),
        looking: Cell::new(false),
    });
    live.open();
    live.look();
    // The stream's beginning asks for the lists; where it is blocked or slow, they should show all the same.
    let waiting = live.clone();
    let ask = move || {
        if waiting.connection() != Connection::Live {
            waiting.fetch();
        }
    };
    set_timeout(ask, GRACE);
    // Browsers keep a page that was left, for "back". One that also kept its stream would take one of the six connections that
    // there are to a server. When it is shown again, its clocks run on, and it is opened again.
    let left = live.clone();
    let leave = Closure::<dyn Fn()>::new(move || left.hear(Event::Broken));
    let _ = window().add_event_listener_with_callback("pagehide", leave.as_ref().unchecked_ref());
    leave.forget();
    // A page has one follower, for its whole life: there is nothing to stop.
    let _ = set_interval_with_handle(move || live.tick(), TICK);
}

/// Adds a page of older indices, and their values, where there are any; `seen` says that it is for the sake of the indices.
/// Whether it did not fail.
pub(crate) async fn fetch_older(store: Store, seen: bool) -> bool {
    let Some((before, count)) = store.now(|model| model.state.older()) else { return true };
    let lists = http::older(before, count).await;
    let mut came = false;
    store.update(|model| came = model.fetched_more(lists, seen));
    came
}

struct Live {
    store: Store,
    /// The open stream, kept so that it stays open.
    events: RefCell<Option<Events>>,
    /// Changes that are not shown yet, and when each came.
    arrived: RefCell<Vec<(Change, u64)>>,
    /// When the stream told anything last.
    heard: Cell<u64>,
    failed_opens: Cell<u32>,
    /// The next attempt to open a stream, while there is none.
    reopening: Cell<Option<TimeoutHandle>>,
    failed_fetches: Cell<u32>,
    fetching: Cell<bool>,
    /// The lists became stale while they were being fetched.
    fetch_again: Cell<bool>,
    looking: Cell<bool>,
}

impl Live {
    fn open(self: &Rc<Self>) {
        self.reopening.set(None);
        let live = self.clone();
        let events = Events::open(move |event| live.hear(event));
        if events.is_none() {
            self.reopen_later();
        }
        *self.events.borrow_mut() = events;
    }

    fn hear(self: &Rc<Self>, event: Event) {
        self.heard.set(now());
        match event {
            Event::Beat => {}
            // Only now the stream is known to come through: some proxies let the head pass and keep the rest.
            Event::Reset => {
                self.failed_opens.set(0);
                self.connected(Connection::Live);
                self.fetch();
            }
            Event::Change(change) => self.show_soon(change),
            Event::Broken => {
                // Dropped only when the next one is opened: it is calling us at this moment.
                if let Some(events) = &*self.events.borrow() {
                    events.close();
                }
                // What never was is not lost, and who asks every few seconds goes on to.
                if self.connection() == Connection::Live {
                    self.connected(Connection::Lost);
                }
                self.reopen_later();
            }
        }
    }

    fn connection(&self) -> Connection {
        self.store.now(|model| model.connection)
    }

    fn connected(&self, how: Connection) {
        if self.connection() != how {
            self.store.update(|model| model.connection = how);
        }
    }

    fn show_soon(self: &Rc<Self>, change: Change) {
        let mut arrived = self.arrived.borrow_mut();
        if arrived.is_empty() {
            let live = self.clone();
            let show = move || {
                let arrived = live.arrived.take();
                let mut doubts = false;
                live.store.update(|model| doubts = model.apply_all(arrived));
                if doubts {
                    live.fetch();
                }
            };
            set_timeout(show, FRAME);
        }
        arrived.push((change, now()));
    }

    fn reopen_later(self: &Rc<Self>) {
        self.failed_opens.set(self.failed_opens.get() + 1);
        let wait = backoff::delay(self.failed_opens.get(), js_sys::Math::random());
        let live = self.clone();
        self.reopening.set(set_timeout_with_handle(move || live.open(), wait).ok());
    }

    fn tick(self: &Rc<Self>) {
        // A page that nobody looks at need not know; it learns all when it is looked at again.
        if document().hidden() {
            return;
        }
        self.look();
        // A connection that died on its way says nothing: no error, no end.
        let silence = now().saturating_sub(self.heard.get());
        if self.store.now(|model| model.is_dead(silence)) {
            self.hear(Event::Broken);
        }
        let connection = self.connection();
        if connection != Connection::Live && self.failed_fetches.get() == 0 {
            // A stream that comes through says so at once.
            if connection == Connection::Connecting && self.store.now(|model| model.state.loaded()) {
                self.connected(Connection::Polling);
            }
            self.fetch();
        }
    }

    fn look(self: &Rc<Self>) {
        if self.looking.replace(true) {
            return;
        }
        let live = self.clone();
        spawn_local(async move {
            let look = http::look().await;
            live.looking.set(false);
            if let Some(look) = look
                && live.store.now(|model| model.look != look)
            {
                live.store.update(|model| model.looked(look));
            }
        });
    }

    /// Fetches the lists, one fetch at a time: however many ask meanwhile, one more follows.
    fn fetch(self: &Rc<Self>) {
        if self.fetching.replace(true) {
            self.fetch_again.set(true);
            return;
        }
        let live = self.clone();
        spawn_local(async move {
            let mut count = 0;
            live.store.update(|model| count = model.state.begin_fetch());
            let fetched = http::lists(count).await;
            live.fetching.set(false);
            match fetched {
                Ok(lists) => {
                    live.store.update(|model| model.fetched(lists, now()));
                    live.reached();
                }
                Err(error) => live.missed(&error),
            }
        });
    }

    fn reached(self: &Rc<Self>) {
        if self.connection() == Connection::Lost {
            self.connected(Connection::Polling);
        }
        // Whoever answers again has streams again, most likely.
        if self.failed_fetches.take() > 0
            && let Some(later) = self.reopening.take()
        {
            later.clear();
            self.open();
        }
        if self.fetch_again.take() {
            self.fetch();
        }
    }

    fn missed(self: &Rc<Self>, error: &http::Error) {
        if self.connection() != Connection::Live {
            self.connected(Connection::Lost);
        }
        let words = error.brief();
        self.store.update(|model: &mut Model| {
            model.trouble = words;
            model.state.fail_fetch();
        });
        self.failed_fetches.set(self.failed_fetches.get() + 1);
        let wait = backoff::delay(self.failed_fetches.get(), js_sys::Math::random());
        let live = self.clone();
        set_timeout(move || live.fetch(), wait);
    }
}
