//! Keeps the page's state current: follows the event stream, fetches the lists when it (re)opens,
//! fetches them every few seconds where streams are blocked, and checks the health of the system.
//!
//! A browser reconnects a broken stream by itself, but gives up when the response is an error, and
//! says nothing about a dead one: such a stream is closed and opened again here.

use std::time::Duration;

use futures_util::StreamExt;
use gloo_net::eventsource::State as EventSourceState;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use reactive_stores::Store;

use crate::api::RequestError;
use crate::state::form::IndexForm;
use crate::state::health::SystemHealth;
use crate::state::lists::{ListChange, NumberLists};
use crate::state::{self, LinkStatus, PageState, PageStateStoreFields};
use crate::{api, clock};

const EVENT_NAMES: [&str; 5] = ["reset", "beat", "seen", "value", "failed"];

/// Events that arrive within this time are shown together: two frames, which nobody notices.
const FRAME: Duration = Duration::from_millis(33);

/// Time allowed for the stream to open before the lists are fetched without it.
const OPEN_TIMEOUT: Duration = Duration::from_millis(500);

/// Time between two health checks, and between two fetches where streams are blocked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Time between two fetches of a hidden page that waits for a value, for its title.
const HIDDEN_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// The server sends a heartbeat every 10 s, so two are missing.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(25);

/// In ms: the time before the first retry, so short that a restart of the server is hardly noticed.
const FIRST_DELAY: u32 = 1_000;

/// Long enough to spare a server in trouble, short enough for a person who waits.
const LONGEST_DELAY: u32 = 30_000;

/// The link to the server. `Copy`, like the signals it is made of.
#[derive(Clone, Copy)]
struct LiveLink {
    state: Store<PageState>,
    is_hidden: RwSignal<bool>,
    inner: StoredValue<LinkState, LocalStorage>,
}

#[derive(Default)]
struct LinkState {
    /// The open stream; dropping it closes it.
    stream: Option<EventSource>,
    /// Events that are not shown yet, with the time of their arrival.
    events: Vec<(ListChange, u64)>,
    /// When the stream sent something last, or the first attempt to open it after that.
    heard: u64,
    failed_opens: u32,
    failed_fetches: u32,
    is_checking: bool,
    is_fetching: bool,
    /// Whether the lists became stale during the fetch.
    is_stale: bool,
}

/// Keeps `state` current for as long as the page is open.
pub(crate) fn use_live_state(state: Store<PageState>) {
    let is_hidden = RwSignal::new(document().hidden());
    let link = LiveLink { state, is_hidden, inner: StoredValue::new_local(LinkState::default()) };
    // Browsers open six connections to a host: a page that nobody looks at gives its stream back.
    Effect::new(move || if is_hidden.get() { link.pause() } else { link.resume() });
    window_event_listener(ev::visibilitychange, move |_| is_hidden.set(document().hidden()));
    window_event_listener(ev::offline, move |_| link.go_offline());
    window_event_listener(ev::online, move |_| link.resume());
    set_interval(move || link.poll(), POLL_INTERVAL);
    set_interval(move || link.poll_hidden(), HIDDEN_POLL_INTERVAL);
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
        "seen" => serde_json::from_str(data).ok().map(ListChange::Submitted),
        "value" => serde_json::from_str(data).ok().map(ListChange::Calculated),
        "failed" => serde_json::from_str(data).ok().map(ListChange::DeadLettered),
        _ => None,
    }
}

impl LiveLink {
    fn status(self) -> LinkStatus {
        self.state.link().get_untracked()
    }

    /// Sets the status of a connection that works.
    fn set_connected(self, status: LinkStatus) {
        self.state.link().set(status);
        self.state.form().update(IndexForm::reconnected);
    }

    /// Opens the stream at once, unless it is open or nobody looks at the page.
    fn resume(self) {
        if self.is_hidden.get_untracked() {
            return;
        }
        if self.inner.with_value(|link| link.stream.is_none()) {
            self.inner.update_value(|link| {
                if link.failed_opens == 0 {
                    link.heard = clock::now();
                }
            });
            // It fails only for an address that is no URL.
            if let Ok(mut source) = EventSource::new("/api/events") {
                for name in EVENT_NAMES {
                    if let Ok(subscription) = source.subscribe(name) {
                        spawn_local(self.follow(subscription));
                    }
                }
                self.inner.update_value(|link| link.stream = Some(source));
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
        let is_broken = |stream: &EventSource| stream.state() == EventSourceState::Closed;
        if self.inner.with_value(|link| link.stream.as_ref().is_some_and(is_broken)) {
            self.reconnect();
        }
    }

    fn receive(self, name: &str, data: &str) {
        self.inner.update_value(|link| link.heard = clock::now());
        match name {
            "beat" => {}
            // Only now the stream is known to come through: some proxies pass the head and buffer
            // the rest.
            "reset" => {
                self.inner.update_value(|link| link.failed_opens = 0);
                self.set_connected(LinkStatus::Live);
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
        if self.inner.with_value(|link| link.events.is_empty()) {
            let show = move || {
                let events = std::mem::take(&mut self.inner.write_value().events);
                if state::apply_events(self.state, events) {
                    self.fetch();
                }
            };
            set_timeout(show, FRAME);
        }
        self.inner.update_value(|link| link.events.push((change, clock::now())));
    }

    /// Closes the stream until the page is looked at.
    fn pause(self) {
        self.inner.update_value(|link| link.stream = None);
        if self.status() == LinkStatus::Live {
            self.state.link().set(LinkStatus::Connecting);
        }
    }

    fn go_offline(self) {
        self.inner.update_value(|link| link.stream = None);
        self.state.link().set(LinkStatus::Lost);
        self.state.health().set(SystemHealth::Unreachable);
    }

    /// Closes a broken stream, and opens another one after a while.
    fn reconnect(self) {
        self.inner.update_value(|link| {
            link.stream = None;
            link.failed_opens += 1;
        });
        // A stream that never opened is not lost, and polling goes on.
        if self.status() == LinkStatus::Live {
            self.state.link().set(LinkStatus::Lost);
        }
        let reopen = move || {
            if window().navigator().on_line() {
                self.resume();
            }
        };
        let failed = self.inner.with_value(|link| link.failed_opens);
        set_timeout(reopen, retry_delay(failed, js_sys::Math::random()));
    }

    fn poll(self) {
        if self.is_hidden.get_untracked() {
            return;
        }
        self.check_health();
        let status = self.status();
        let heard = self.inner.with_value(|link| link.heard);
        let idle = Duration::from_micros(clock::now().saturating_sub(heard));
        if status != LinkStatus::Live {
            let is_loaded = self.state.lists().with_untracked(NumberLists::is_loaded);
            if status == LinkStatus::Connecting && is_loaded && idle > POLL_INTERVAL {
                self.state.link().set(LinkStatus::Polling);
            }
            self.fetch_unless_failed();
        } else if idle > HEARTBEAT_TIMEOUT {
            // A connection that died on its way says nothing: no error, no end.
            self.reconnect();
        }
    }

    fn poll_hidden(self) {
        let is_waiting = || self.state.lists().with_untracked(|lists| lists.pending_count() > 0);
        if self.is_hidden.get_untracked() && is_waiting() {
            self.fetch_unless_failed();
        }
    }

    fn check_health(self) {
        if std::mem::replace(&mut self.inner.write_value().is_checking, true) {
            return;
        }
        spawn_local(async move {
            let health = api::health().await;
            self.inner.update_value(|link| link.is_checking = false);
            let Some(health) = health else { return };
            // The stream is dead, whatever it says.
            if health.readiness().is_none() && self.status() == LinkStatus::Live {
                self.reconnect();
            }
            if self.state.health().with_untracked(|before| *before != health) {
                if let Some(readiness) = health.readiness() {
                    self.state.max_index().set(Some(readiness.max_index));
                }
                self.state.health().set(health);
            }
        });
    }

    /// After a failed fetch the next one is on its way.
    fn fetch_unless_failed(self) {
        if self.inner.with_value(|link| link.failed_fetches == 0) {
            self.fetch();
        }
    }

    /// Fetches the lists, once at a time. However many ask meanwhile, one more fetch follows.
    fn fetch(self) {
        let is_fetching = self.inner.with_value(|link| link.is_fetching);
        self.inner.update_value(|link| (link.is_fetching, link.is_stale) = (true, is_fetching));
        if is_fetching {
            return;
        }
        spawn_local(async move {
            let count = self.state.lists().write_untracked().begin_fetch();
            let fetched = api::lists(count, None).await;
            self.inner.update_value(|link| link.is_fetching = false);
            match fetched {
                Ok(lists) => {
                    state::apply_lists(self.state, lists, clock::now());
                    self.fetched();
                }
                Err(error) => self.fetch_failed(error),
            }
        });
    }

    fn fetched(self) {
        if self.status() == LinkStatus::Lost {
            self.set_connected(LinkStatus::Polling);
        }
        // The server responds again: it has streams again, most likely.
        let failed_fetches = std::mem::take(&mut self.inner.write_value().failed_fetches);
        if failed_fetches > 0 {
            self.resume();
        }
        if self.inner.with_value(|link| link.is_stale) {
            self.fetch();
        }
    }

    fn fetch_failed(self, error: RequestError) {
        if self.status() != LinkStatus::Live {
            self.state.link().set(LinkStatus::Lost);
        }
        self.state.fetch_error().set(Some(error));
        self.inner.update_value(|link| link.failed_fetches += 1);
        let failed = self.inner.with_value(|link| link.failed_fetches);
        set_timeout(move || self.fetch(), retry_delay(failed, js_sys::Math::random()));
    }
}

/// The delay after `failures` failed attempts in a row: doubled each time, and reduced by up to
/// half (`chance` is from 0 to 1), so that browsers that lost the same server do not return
/// together.
fn retry_delay(failures: u32, chance: f64) -> Duration {
    let doubled =
        FIRST_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_DELAY);
    let jitter = (f64::from(doubled / 2) * chance) as u32;
    Duration::from_millis((doubled / 2 + jitter).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_bound_and_chance_shortens_it_by_at_most_half() {
        let seconds: Vec<_> = (1..8).map(|failures| retry_delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry_delay(u32::MAX, 1.0), Duration::from_secs(30));
        assert_eq!(retry_delay(2, 0.0), Duration::from_secs(1));
        assert_eq!(retry_delay(2, 0.5), Duration::from_millis(1500));
    }

    #[test]
    fn events_of_other_names_or_with_other_data_are_not_understood() {
        let seen = r#"{"id":1,"index":10,"request_id":"r"}"#;
        assert!(
            matches!(parse_event("seen", seen), Some(ListChange::Submitted(event)) if event.id == 1)
        );
        assert_eq!(parse_event("other", seen), None);
        assert_eq!(parse_event("seen", r#"{"id":1,"index":-1}"#), None);
        assert_eq!(parse_event("value", "<html>"), None);
    }
}
