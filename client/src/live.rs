//! Keeps the page's [`State`] current: follows the event stream and fetches the lists when it (re)opens.
//!
//! The policy of staying in touch lives here: when to fetch, when to try again, what to say about the
//! connection. How a request is made is `http`'s, what a change means is `state`'s.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::try_join3;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::backoff;
use crate::http::{self, Event, Events};
use crate::state::{Change, State};

/// Whether changes arrive by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The stream was not open yet.
    Connecting,
    /// The stream is open.
    Live,
    /// The stream broke; it is being opened again.
    Lost,
}

/// What the components read, and where they report what they learn.
#[derive(Clone, Copy)]
pub struct Store {
    /// Both lists.
    pub state: RwSignal<State>,
    /// Shown in the header.
    pub connection: RwSignal<Connection>,
    /// Why the last fetch of the lists failed.
    pub trouble: RwSignal<Option<http::Error>>,
    /// The outcome a screen reader speaks.
    pub announcement: RwSignal<String>,
}

impl Store {
    /// A page that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: RwSignal::new(State::default()),
            connection: RwSignal::new(Connection::Connecting),
            trouble: RwSignal::new(None),
            announcement: RwSignal::new(String::new()),
        }
    }

    /// Takes in one change.
    pub fn apply(self, change: Change) {
        self.update(|state| state.apply(change));
    }

    fn update(self, how: impl FnOnce(&mut State)) {
        let mut announcement = None;
        self.state.update(|state| {
            how(state);
            announcement = state.announcement();
        });
        if let Some(text) = announcement {
            self.announcement.set(text);
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

/// Follows the server for as long as the page is open.
pub fn follow(store: Store) {
    let live = Rc::new(Live {
        store,
        events: RefCell::new(None),
        failed_opens: Cell::new(0),
        failed_fetches: Cell::new(0),
        fetching: Cell::new(false),
        fetch_again: Cell::new(false),
    });
    // Not only when the stream opens: the lists should show even where something in between blocks streams.
    live.fetch();
    live.open();
}

struct Live {
    store: Store,
    /// The open stream, kept so that it stays open.
    events: RefCell<Option<Events>>,
    failed_opens: Cell<u32>,
    failed_fetches: Cell<u32>,
    fetching: Cell<bool>,
    /// The lists became stale while they were being fetched.
    fetch_again: Cell<bool>,
}

impl Live {
    fn open(self: &Rc<Self>) {
        let live = self.clone();
        match Events::open(move |event| live.hear(event)) {
            Ok(events) => *self.events.borrow_mut() = Some(events),
            Err(_) => self.reopen_later(),
        }
    }

    fn hear(self: &Rc<Self>, event: Event) {
        match event {
            Event::Open => {
                self.failed_opens.set(0);
                self.store.connection.set(Connection::Live);
                self.fetch();
            }
            Event::Change(change) => self.store.apply(change),
            Event::Reset => self.fetch(),
            Event::Broken => self.store.connection.set(Connection::Lost),
            Event::Closed => {
                self.store.connection.set(Connection::Lost);
                self.reopen_later();
            }
        }
    }

    fn reopen_later(self: &Rc<Self>) {
        self.failed_opens.set(self.failed_opens.get() + 1);
        let live = self.clone();
        set_timeout(move || live.open(), backoff::delay(self.failed_opens.get(), js_sys::Math::random()));
    }

    /// Fetches both lists, one fetch at a time: however many ask meanwhile, one more follows.
    fn fetch(self: &Rc<Self>) {
        if self.fetching.replace(true) {
            self.fetch_again.set(true);
            return;
        }
        let live = self.clone();
        spawn_local(async move {
            live.store.update(State::begin_fetch);
            let fetched = try_join3(http::submissions(), http::current(), http::failed()).await;
            live.fetching.set(false);
            match fetched {
                Ok((submissions, current, failed)) => {
                    live.failed_fetches.set(0);
                    live.store.trouble.set(None);
                    live.store.update(|state| state.finish_fetch(submissions, current, &failed));
                    if live.fetch_again.take() {
                        live.fetch();
                    }
                }
                Err(error) => {
                    live.store.trouble.set(Some(error));
                    live.store.update(State::fail_fetch);
                    live.failed_fetches.set(live.failed_fetches.get() + 1);
                    let wait = backoff::delay(live.failed_fetches.get(), js_sys::Math::random());
                    set_timeout(move || live.fetch(), wait);
                }
            }
        });
    }
}
