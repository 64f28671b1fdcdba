//! Keeps the state of the page current: receives the event stream, fetches the lists whenever a
//! stream opens and regularly while none is open, and checks the health of the system.
//!
//! A browser reconnects a broken event stream, but not after an error response, and it does not
//! detect a dead connection. In these cases the stream is closed and opened again here.

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
use crate::state::lists::ListChange;
use crate::state::{self, ConnectionStatus, PageState, PageStateStoreFields};
use crate::{api, clock};

const EVENT_NAMES: [&str; 5] = ["reset", "beat", "seen", "value", "failed"];

/// Events that arrive within this time are shown together. A delay of two frames is not noticeable.
const BATCH_WINDOW: Duration = Duration::from_millis(33);

/// Time allowed for the stream to open before the lists are fetched without it.
const STREAM_OPEN_TIMEOUT: Duration = Duration::from_millis(500);

/// Time between two health checks, and between two fetches while streams are blocked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Time between two fetches while the page is hidden and shows a pending value in its title.
const HIDDEN_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Time without an event after which the stream counts as dead. The server sends a heartbeat after
/// every 10 s without an event, so at least two are missing.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(25);

/// Short, so that a restart of the server is hardly noticeable.
const FIRST_RETRY_DELAY_MS: u32 = 1_000;

/// Long enough to spare an overloaded server, and short enough for a waiting user.
const MAX_RETRY_DELAY_MS: u32 = 30_000;

/// Updates the state of the page. It is `Copy` like a signal, so that callbacks can own it.
///
/// Its requests are tasks and not resources or actions: they belong to no component, and the order
/// in which they run depends on the event stream.
#[derive(Clone, Copy)]
struct LiveUpdater {
    state: Store<PageState>,
    inner: StoredValue<UpdaterState, LocalStorage>,
}

#[derive(Default)]
struct UpdaterState {
    /// The open stream. Dropping it closes the stream.
    stream: Option<EventSource>,
    /// Events that are not shown yet, with the time of their arrival in µs.
    events: Vec<(ListChange, u64)>,
    /// The time in µs when the last event arrived, or when the page began to open a stream after
    /// that.
    idle_since: u64,
    /// Number of attempts to open a stream that failed in a row.
    failed_opens: u32,
    /// Number of fetches that failed in a row.
    failed_fetches: u32,
    is_checking_health: bool,
    is_fetching: bool,
    /// Whether another fetch was requested during the running one.
    is_fetch_requested: bool,
}

/// Keeps `state` current for as long as the page is open.
pub(crate) fn use_live_state(state: Store<PageState>) {
    let updater = LiveUpdater { state, inner: StoredValue::default() };
    // Browsers open at most six connections to a host, so a hidden page closes its stream.
    let pause_or_resume =
        move || if document().hidden() { updater.pause() } else { updater.resume() };
    pause_or_resume();
    window_event_listener(ev::visibilitychange, move |_| pause_or_resume());
    window_event_listener(ev::offline, move |_| updater.go_offline());
    window_event_listener(ev::online, move |_| updater.resume());
    set_interval(move || updater.poll(), POLL_INTERVAL);
    set_interval(move || updater.poll_while_hidden(), HIDDEN_POLL_INTERVAL);
    // The first event of the stream causes a fetch. This fetch is for a stream that is blocked or
    // slow.
    let fetch_without_stream = move || {
        if updater.status() != ConnectionStatus::Live {
            updater.fetch();
        }
    };
    set_timeout(fetch_without_stream, STREAM_OPEN_TIMEOUT);
}

/// Parses the data of an event. Returns `None` if the name or the data is unknown.
pub fn parse_event(name: &str, data: &str) -> Option<ListChange> {
    match name {
        "seen" => serde_json::from_str(data).ok().map(ListChange::Submitted),
        "value" => serde_json::from_str(data).ok().map(ListChange::Calculated),
        "failed" => serde_json::from_str(data).ok().map(ListChange::DeadLettered),
        _ => None,
    }
}

impl LiveUpdater {
    fn status(self) -> ConnectionStatus {
        self.state.connection().get_untracked()
    }

    /// Sets the status of a working connection, and removes the notice about a lost one.
    fn set_connected(self, status: ConnectionStatus) {
        self.state.connection().set(status);
        self.state.form().update(IndexForm::reconnected);
    }

    /// Opens the stream if it is not open, and checks the health. Does nothing while the page is
    /// hidden.
    fn resume(self) {
        if document().hidden() {
            return;
        }
        if self.inner.read_value().stream.is_none() {
            let mut inner = self.inner.write_value();
            if inner.failed_opens == 0 {
                inner.idle_since = clock::now();
            }
            // `new` fails only for an invalid URL.
            if let Ok(mut source) = EventSource::new("/api/events") {
                for name in EVENT_NAMES {
                    if let Ok(subscription) = source.subscribe(name) {
                        spawn_local(self.follow(subscription));
                    }
                }
                inner.stream = Some(source);
            }
        }
        self.check_health();
    }

    /// Receives the events with one name until the stream breaks or is closed.
    async fn follow(self, mut subscription: EventSourceSubscription) {
        while let Some(Ok((name, event))) = subscription.next().await {
            self.receive(&name, &event.data().as_string().unwrap_or_default());
        }
        // A stream that was closed here is not broken; it may have been replaced already.
        let is_broken = |stream: &EventSource| stream.state() == EventSourceState::Closed;
        if self.inner.read_value().stream.as_ref().is_some_and(is_broken) {
            self.reconnect();
        }
    }

    fn receive(self, name: &str, data: &str) {
        self.inner.write_value().idle_since = clock::now();
        match name {
            "beat" => {}
            // The stream counts as open only now: some proxies forward its headers at once, but
            // buffer its body.
            "reset" => {
                self.inner.write_value().failed_opens = 0;
                self.set_connected(ConnectionStatus::Live);
                self.fetch();
            }
            name => match parse_event(name, data) {
                Some(change) => self.show_in_batch(change),
                // The fetch also reads what an unknown event has changed.
                None => self.fetch(),
            },
        }
    }

    /// Shows the change together with others that arrive within [`BATCH_WINDOW`].
    fn show_in_batch(self, change: ListChange) {
        let mut inner = self.inner.write_value();
        inner.events.push((change, clock::now()));
        if inner.events.len() == 1 {
            let show = move || {
                let events = std::mem::take(&mut self.inner.write_value().events);
                if state::apply_events(self.state, events) {
                    self.fetch();
                }
            };
            set_timeout(show, BATCH_WINDOW);
        }
    }

    /// Closes the stream while the page is hidden.
    fn pause(self) {
        self.inner.write_value().stream = None;
        if self.status() == ConnectionStatus::Live {
            self.state.connection().set(ConnectionStatus::Connecting);
        }
    }

    fn go_offline(self) {
        self.inner.write_value().stream = None;
        self.state.connection().set(ConnectionStatus::Lost);
        self.state.health().set(SystemHealth::Unreachable);
    }

    /// Closes a broken stream, and opens another one after a delay.
    fn reconnect(self) {
        self.inner.update_value(|inner| {
            inner.stream = None;
            inner.failed_opens += 1;
        });
        // If no stream was open, the connection is not lost, and polling continues.
        if self.status() == ConnectionStatus::Live {
            self.state.connection().set(ConnectionStatus::Lost);
        }
        let reopen = move || {
            if window().navigator().on_line() {
                self.resume();
            }
        };
        let failed = self.inner.read_value().failed_opens;
        set_timeout(reopen, retry_delay(failed, js_sys::Math::random()));
    }

    /// Checks the health, replaces a dead stream, and fetches the lists if the events may lack
    /// something that they contain.
    fn poll(self) {
        if document().hidden() {
            return;
        }
        self.check_health();
        let status = self.status();
        let idle_since = self.inner.read_value().idle_since;
        let idle = Duration::from_micros(clock::now().saturating_sub(idle_since));
        if status != ConnectionStatus::Live {
            let is_loaded = self.state.lists().read_untracked().is_loaded();
            if status == ConnectionStatus::Connecting && is_loaded && idle > POLL_INTERVAL {
                self.state.connection().set(ConnectionStatus::Polling);
            }
            self.fetch_unless_retrying();
        } else if idle > STREAM_IDLE_TIMEOUT {
            // A dead connection reports no error.
            self.reconnect();
        } else if self.state.lists().read_untracked().may_lack_known_values() {
            self.fetch_unless_retrying();
        }
    }

    fn poll_while_hidden(self) {
        if document().hidden() && self.state.lists().read_untracked().pending_count() > 0 {
            self.fetch_unless_retrying();
        }
    }

    fn check_health(self) {
        if std::mem::replace(&mut self.inner.write_value().is_checking_health, true) {
            return;
        }
        spawn_local(async move {
            let health = api::health().await;
            self.inner.write_value().is_checking_health = false;
            let Some(health) = health else { return };
            // When the api does not respond, its stream is dead as well.
            if health.readiness().is_none() && self.status() == ConnectionStatus::Live {
                self.reconnect();
            }
            let was_unavailable = self.state.health().read_untracked().readiness().is_none();
            let has_recovered = was_unavailable && health.readiness().is_some();
            if *self.state.health().read_untracked() != health {
                if let Some(readiness) = health.readiness() {
                    self.state.max_index().set(Some(readiness.max_index));
                }
                self.state.health().set(health);
            }
            // The next retry may be 30 s away.
            if has_recovered && self.status() == ConnectionStatus::Lost {
                self.resume();
                self.fetch();
            }
        });
    }

    /// Fetches the lists, unless a retry after a failed fetch is scheduled.
    fn fetch_unless_retrying(self) {
        if self.inner.read_value().failed_fetches == 0 {
            self.fetch();
        }
    }

    /// Fetches the lists. If a fetch is running, another one follows it.
    fn fetch(self) {
        if std::mem::replace(&mut self.inner.write_value().is_fetching, true) {
            self.inner.write_value().is_fetch_requested = true;
            return;
        }
        self.inner.write_value().is_fetch_requested = false;
        spawn_local(async move {
            let count = self.state.lists().write_untracked().begin_fetch();
            let fetched = api::lists(count, None).await;
            self.inner.write_value().is_fetching = false;
            match fetched {
                Ok(lists) => {
                    state::apply_lists(self.state, lists, clock::now());
                    self.fetch_succeeded();
                }
                Err(error) => self.fetch_failed(error),
            }
        });
    }

    fn fetch_succeeded(self) {
        if self.status() == ConnectionStatus::Lost {
            self.set_connected(ConnectionStatus::Polling);
        }
        // The server responds again, so a stream can probably be opened again.
        let failed_fetches = std::mem::take(&mut self.inner.write_value().failed_fetches);
        if failed_fetches > 0 {
            self.resume();
        }
        if self.inner.read_value().is_fetch_requested {
            self.fetch();
        }
    }

    fn fetch_failed(self, error: RequestError) {
        if self.status() != ConnectionStatus::Live {
            self.state.connection().set(ConnectionStatus::Lost);
        }
        self.state.fetch_error().set(Some(error));
        self.inner.write_value().failed_fetches += 1;
        let failed = self.inner.read_value().failed_fetches;
        set_timeout(move || self.fetch(), retry_delay(failed, js_sys::Math::random()));
    }
}

/// The delay after `failures` failed attempts in a row. It doubles with each failure, up to
/// [`MAX_RETRY_DELAY_MS`].
///
/// `random`, from 0 to 1, selects a time between half and all of this delay, so that browsers that
/// lost the same server do not reconnect at the same time.
fn retry_delay(failures: u32, random: f64) -> Duration {
    let factor = 1 << failures.saturating_sub(1).min(16);
    let doubled = FIRST_RETRY_DELAY_MS.saturating_mul(factor).min(MAX_RETRY_DELAY_MS);
    let jitter = (f64::from(doubled / 2) * random) as u32;
    Duration::from_millis((doubled / 2 + jitter).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_retry_delay_doubles_up_to_a_maximum_and_has_jitter() {
        let seconds: Vec<_> = (1..8).map(|failures| retry_delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry_delay(u32::MAX, 1.0), Duration::from_secs(30));
        assert_eq!(retry_delay(2, 0.0), Duration::from_secs(1));
        assert_eq!(retry_delay(2, 0.5), Duration::from_millis(1500));
    }

    #[test]
    fn events_with_unknown_names_or_data_are_not_parsed() {
        let seen = r#"{"id":1,"index":10,"request_id":"r"}"#;
        assert!(
            matches!(parse_event("seen", seen), Some(ListChange::Submitted(event)) if event.id == 1)
        );
        assert_eq!(parse_event("other", seen), None);
        assert_eq!(parse_event("seen", r#"{"id":1,"index":-1}"#), None);
        assert_eq!(parse_event("value", "<html>"), None);
    }
}
