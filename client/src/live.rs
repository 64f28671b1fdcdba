//! Keeps the page's state current: follows the event stream, fetches the lists when it (re)opens,
//! fetches them every few seconds where streams are blocked, and checks the health of the system.
//!
//! A browser reconnects a broken stream by itself, but gives up when the response is an error, and
//! says nothing about a dead one: such a stream is closed and opened again here.

use std::time::Duration;

use contract::{DeadLetterEvent, SubmissionEvent, ValueEvent};
use futures_util::StreamExt;
use gloo_net::eventsource::State as EventSourceState;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use leptos::ev;
use leptos::leptos_dom::helpers::{TimeoutHandle, set_timeout_with_handle};
use leptos::prelude::*;
use leptos::task::spawn_local;
use reactive_stores::Store;

use crate::state::health::SystemHealth;
use crate::state::lists::{ListChange, NumberLists};
use crate::state::{self, LinkStatus, PageState, PageStateStoreFields};
use crate::{api, backoff, clock};

const EVENTS: &str = "/api/events";

const EVENT_NAMES: [&str; 5] = ["reset", "beat", "seen", "value", "failed"];

/// Events that arrive within this time are shown together: two frames, which nobody notices.
const FRAME: Duration = Duration::from_millis(33);

/// Time allowed for the stream to open before the lists are fetched without it.
const OPEN_TIMEOUT: Duration = Duration::from_millis(500);

/// Time between two health checks, and between two fetches where streams are blocked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A hidden page that waits for a value fetches the lists once in so many intervals, for its title.
const HIDDEN_INTERVALS: u32 = 5;

/// In µs: the server sends a heartbeat every 10 s, so two are missing.
const HEARTBEAT_TIMEOUT: u64 = 25_000_000;

/// Failed health checks after which an open stream is taken for dead.
const FAILED_CHECKS: u32 = 2;

/// The link to the server. `Copy`, like the signals it is made of.
#[derive(Clone, Copy)]
struct LiveLink {
    state: Store<PageState>,
    /// The open stream; dropping it closes it.
    stream: StoredValue<Option<EventSource>, LocalStorage>,
    is_hidden: RwSignal<bool>,
    /// Events that are not shown yet.
    events: StoredValue<Vec<(ListChange, u64)>>,
    /// When the stream sent something last.
    heard: StoredValue<u64>,
    failed_opens: StoredValue<u32>,
    failed_fetches: StoredValue<u32>,
    failed_checks: StoredValue<u32>,
    intervals: StoredValue<u32>,
    reopening: StoredValue<Option<TimeoutHandle>>,
    is_fetching: StoredValue<bool>,
    /// Whether the lists became stale during the fetch.
    fetch_again: StoredValue<bool>,
    is_checking: StoredValue<bool>,
}

/// Keeps `state` current for as long as the component that calls it is mounted.
pub fn use_live_state(state: Store<PageState>) {
    let link = LiveLink {
        state,
        stream: StoredValue::new_local(None),
        is_hidden: RwSignal::new(document().hidden()),
        events: StoredValue::new(Vec::new()),
        heard: StoredValue::new(0),
        failed_opens: StoredValue::new(0),
        failed_fetches: StoredValue::new(0),
        failed_checks: StoredValue::new(0),
        intervals: StoredValue::new(0),
        reopening: StoredValue::new(None),
        is_fetching: StoredValue::new(false),
        fetch_again: StoredValue::new(false),
        is_checking: StoredValue::new(false),
    };
    // Browsers open six connections to a host: a page that nobody looks at gives its stream back.
    Effect::new(move || if link.is_hidden.get() { link.pause() } else { link.resume() });
    let offline = window_event_listener(ev::offline, move |_| link.go_offline());
    let online = window_event_listener(ev::online, move |_| link.resume());
    let visibility =
        window_event_listener(ev::visibilitychange, move |_| link.is_hidden.set(document().hidden()));
    let polling = set_interval_with_handle(move || link.poll(), POLL_INTERVAL);
    on_cleanup(move || {
        for listener in [offline, online, visibility] {
            listener.remove();
        }
        if let Ok(polling) = polling {
            polling.clear();
        }
    });
    // The stream's beginning asks for the lists. Where it is blocked or slow, they are fetched too.
    let fetch_without_stream = move || {
        if link.status() != LinkStatus::Live {
            link.fetch();
        }
    };
    set_timeout(fetch_without_stream, OPEN_TIMEOUT);
}

/// Reads the data of a named event.
pub fn parse_event(name: &str, data: &str) -> Option<ListChange> {
    match name {
        "seen" => serde_json::from_str::<SubmissionEvent>(data).ok().map(ListChange::Submitted),
        "value" => serde_json::from_str::<ValueEvent>(data).ok().map(ListChange::Calculated),
        "failed" => serde_json::from_str::<DeadLetterEvent>(data).ok().map(ListChange::DeadLettered),
        _ => None,
    }
}

impl LiveLink {
    fn status(self) -> LinkStatus {
        self.state.link().get_untracked()
    }

    fn set_status(self, status: LinkStatus) {
        if self.status() != status {
            self.state.link().set(status);
        }
    }

    /// Opens the stream at once, unless it is open.
    fn resume(self) {
        self.cancel_reopening();
        if self.stream.with_value(Option::is_none) {
            self.heard.set_value(clock::now());
            // It fails only for an address that is no URL.
            if let Ok(mut source) = EventSource::new(EVENTS) {
                for name in EVENT_NAMES {
                    if let Ok(subscription) = source.subscribe(name) {
                        spawn_local(self.follow(subscription));
                    }
                }
                self.stream.set_value(Some(source));
            }
        }
        self.check_health();
    }

    /// Receives the events of one name until the stream breaks, or is closed.
    async fn follow(self, mut subscription: EventSourceSubscription) {
        while let Some(Ok((name, event))) = subscription.next().await {
            self.receive(&name, &event.data().as_string().unwrap_or_default());
        }
        // One that was closed here is gone, and the next one may be open.
        let is_broken = |source: &Option<EventSource>| {
            source.as_ref().is_some_and(|source| source.state() == EventSourceState::Closed)
        };
        if self.stream.try_with_value(is_broken) == Some(true) {
            self.reconnect();
        }
    }

    fn receive(self, name: &str, data: &str) {
        self.heard.set_value(clock::now());
        match name {
            "beat" => {}
            // Only now the stream is known to come through: some proxies pass the head and buffer the rest.
            "reset" => {
                self.failed_opens.set_value(0);
                self.set_status(LinkStatus::Live);
                self.fetch();
            }
            name => match parse_event(name, data) {
                Some(change) => self.show_soon(change),
                // What this page does not understand is in the lists.
                None => self.fetch(),
            },
        }
    }

    fn show_soon(self, change: ListChange) {
        let is_first = self.events.with_value(Vec::is_empty);
        self.events.update_value(|events| events.push((change, clock::now())));
        if is_first {
            let show = move || {
                let events = self.events.try_update_value(std::mem::take).unwrap_or_default();
                if state::apply_events(self.state, events) {
                    self.fetch();
                }
            };
            set_timeout(show, FRAME);
        }
    }

    /// Closes the stream until the page is looked at.
    fn pause(self) {
        self.cancel_reopening();
        self.stream.set_value(None);
        if self.status() == LinkStatus::Live {
            self.set_status(LinkStatus::Connecting);
        }
    }

    fn go_offline(self) {
        self.cancel_reopening();
        self.stream.set_value(None);
        self.set_status(LinkStatus::Lost);
        state::health_checked(self.state, SystemHealth::Unreachable);
    }

    /// Closes a broken stream, and opens another one after a while.
    fn reconnect(self) {
        self.stream.set_value(None);
        // A stream that never opened is not lost, and polling goes on.
        if self.status() == LinkStatus::Live {
            self.set_status(LinkStatus::Lost);
        }
        self.failed_opens.update_value(|failed| *failed += 1);
        let delay = backoff::delay(self.failed_opens.get_value(), js_sys::Math::random());
        self.cancel_reopening();
        let reopen = move || {
            if !self.is_hidden.get_untracked() {
                self.resume();
            }
        };
        self.reopening.set_value(set_timeout_with_handle(reopen, delay).ok());
    }

    fn cancel_reopening(self) {
        if let Some(timeout) = self.reopening.try_update_value(Option::take).flatten() {
            timeout.clear();
        }
    }

    fn poll(self) {
        self.intervals.update_value(|intervals| *intervals = intervals.wrapping_add(1));
        if self.is_hidden.get_untracked() {
            let is_waiting = self.state.lists().with_untracked(|lists| lists.pending_count() > 0);
            if is_waiting && self.intervals.get_value().is_multiple_of(HIDDEN_INTERVALS) {
                self.fetch();
            }
            return;
        }
        self.check_health();
        let status = self.status();
        // A connection that died on its way says nothing: no error, no end.
        let idle = clock::now().saturating_sub(self.heard.get_value());
        let is_dead = idle > HEARTBEAT_TIMEOUT || self.failed_checks.get_value() >= FAILED_CHECKS;
        if status == LinkStatus::Live && is_dead {
            self.reconnect();
        } else if status != LinkStatus::Live && self.failed_fetches.get_value() == 0 {
            if status == LinkStatus::Connecting && self.state.lists().with_untracked(NumberLists::is_loaded) {
                self.set_status(LinkStatus::Polling);
            }
            self.fetch();
        }
    }

    fn check_health(self) {
        if self.is_checking.get_value() {
            return;
        }
        self.is_checking.set_value(true);
        spawn_local(async move {
            let health = api::health().await;
            self.is_checking.set_value(false);
            let Some(health) = health else { return };
            let has_failed = health.readiness().is_none();
            self.failed_checks.update_value(|failed| *failed = if has_failed { *failed + 1 } else { 0 });
            if self.state.health().with_untracked(|before| *before != health) {
                state::health_checked(self.state, health);
            }
        });
    }

    /// Fetches the lists, once at a time. However many ask meanwhile, one more fetch follows.
    fn fetch(self) {
        if self.is_fetching.get_value() {
            self.fetch_again.set_value(true);
            return;
        }
        self.is_fetching.set_value(true);
        spawn_local(async move {
            let mut count = 0;
            self.state.lists().maybe_update(|lists| {
                count = lists.begin_fetch();
                false
            });
            let fetched = api::lists(count).await;
            self.is_fetching.set_value(false);
            match fetched {
                Ok(lists) => {
                    state::lists_fetched(self.state, lists, clock::now());
                    self.fetched();
                }
                Err(error) => self.fetch_failed(error.title()),
            }
        });
    }

    fn fetched(self) {
        if self.status() == LinkStatus::Lost {
            self.set_status(LinkStatus::Polling);
        }
        // The server responds again: it has streams again, most likely.
        if self.failed_fetches.get_value() > 0 {
            self.failed_fetches.set_value(0);
            if !self.is_hidden.get_untracked() {
                self.resume();
            }
        }
        if self.fetch_again.get_value() {
            self.fetch_again.set_value(false);
            self.fetch();
        }
    }

    fn fetch_failed(self, why: String) {
        if self.status() != LinkStatus::Live {
            self.set_status(LinkStatus::Lost);
        }
        self.state.fetch_error().set(Some(why));
        self.state.lists().update(NumberLists::fail_fetch);
        self.failed_fetches.update_value(|failed| *failed += 1);
        let delay = backoff::delay(self.failed_fetches.get_value(), js_sys::Math::random());
        set_timeout(move || self.fetch(), delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_other_names_or_with_other_data_are_not_understood() {
        let seen = r#"{"id":1,"index":10,"request_id":"r"}"#;
        assert!(matches!(parse_event("seen", seen), Some(ListChange::Submitted(event)) if event.id == 1));
        assert_eq!(parse_event("other", seen), None);
        assert_eq!(parse_event("seen", r#"{"id":1,"index":-1}"#), None);
        assert_eq!(parse_event("value", "<html>"), None);
    }
}
