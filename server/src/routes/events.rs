//! `GET /events`: what happens, as server-sent events.
//!
//! A stream begins with `reset`, and sends it again whenever something may have been missed: one rule for the
//! client, which then fetches the lists. Streams are counted, and end when the process stops: an open stream
//! would hold up a graceful shutdown for ever.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::Error;
use crate::relay::{Listener, Message};
use crate::state::AppState;

/// A beat this often keeps proxies from closing a silent stream, and finds clients that are gone. It is an event, because
/// scripts cannot see comments: a client that has heard none for long knows that its stream is dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How soon a browser reconnects.
const RETRY: Duration = Duration::from_secs(1);

pub(super) async fn stream(State(state): State<Arc<AppState>>) -> Result<impl IntoResponse, Error> {
    let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| Error::too_many_streams())?;
    let open = Open::new(state.relay.listen(), permit);
    let first = stream::iter([Ok::<_, Infallible>(reset().retry(RETRY))]);
    let rest = stream::unfold(open, async |mut open| {
        let event = match open.listener.next().await? {
            Message::Event(happened) => Event::default().event(happened.name).data(&happened.json),
            Message::Reset => reset(),
        };
        Some((Ok(event), open))
    });
    let events = first.chain(rest).take_until(state.token.clone().cancelled_owned());
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // For a proxy that would otherwise collect events before passing them on.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let beat = KeepAlive::new().interval(HEARTBEAT).event(named("beat"));
    Ok((headers, Sse::new(events).keep_alive(beat)))
}

fn reset() -> Event {
    named("reset")
}

fn named(name: &str) -> Event {
    // A browser drops an event without data.
    Event::default().event(name).data("{}")
}

/// An open stream; counted as long as it lives.
struct Open {
    listener: Listener,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(listener: Listener, permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("event_streams").increment(1.0);
        Self { listener, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("event_streams").decrement(1.0);
    }
}
