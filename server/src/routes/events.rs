//! `GET /events`: server-sent events.
//!
//! A stream begins with `reset`, and sends it again whenever events may have been missed; the
//! client then reads the lists. The number of streams is bounded. The shutdown signal ends them, or
//! they would delay the shutdown by the whole grace period of `service::http`.

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

use super::problems::Unavailable;
use crate::broadcast::{Message, Subscriber};
use crate::error::ApiError;
use crate::state::AppState;

/// A heartbeat keeps proxies from closing an idle stream, and detects that a client has
/// disconnected. It is an event and not a comment, which `EventSource` hides from scripts: a client
/// that receives none for longer must reconnect.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// Delay before a browser reconnects (the field `retry`).
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Streams events as they happen.
///
/// `seen`: an index was submitted. `value`: a value was calculated, with the time of each hop.
/// `failed`: a job became a dead letter. `reset`: events may have been missed; read the lists
/// again. `beat`: heartbeat, after ten seconds without an event.
#[utoipa::path(
    get,
    path = "/events",
    responses(
        (
            status = OK,
            description = "A stream that does not end",
            body = String,
            content_type = "text/event-stream"
        ),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
    )
)]
pub(super) async fn stream(
    State(state): State<Arc<AppState>>,
) -> Result<impl IntoResponse, ApiError> {
    let permit =
        Arc::clone(&state.streams).try_acquire_owned().map_err(|_| ApiError::too_many_streams())?;
    let open = OpenStream::new(state.events.subscribe(), permit);
    let first = stream::iter([Ok::<_, Infallible>(reset().retry(RECONNECT_DELAY))]);
    let rest = stream::unfold(open, async |mut open| {
        let event = match open.subscriber.next().await? {
            Message::Event(event) => Event::default().event(event.name).data(&event.json),
            Message::Reset => reset(),
        };
        Some((Ok(event), open))
    });
    let events = first.chain(rest).take_until(state.shutdown.clone().cancelled_owned());
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // Tells nginx not to buffer the stream.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let heartbeat = KeepAlive::new().interval(HEARTBEAT_INTERVAL).event(without_data("beat"));
    Ok((headers, Sse::new(events).keep_alive(heartbeat)))
}

fn reset() -> Event {
    without_data("reset")
}

fn without_data(name: &str) -> Event {
    // Browsers discard an event without data.
    Event::default().event(name).data("{}")
}

/// An open stream, counted by the gauge `event_streams`.
struct OpenStream {
    subscriber: Subscriber,
    _permit: OwnedSemaphorePermit,
}

impl OpenStream {
    fn new(subscriber: Subscriber, permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("event_streams").increment(1.0);
        Self { subscriber, _permit: permit }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        metrics::gauge!("event_streams").decrement(1.0);
    }
}
