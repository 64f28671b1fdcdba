//! Turns the results channel of Redis into events for everyone in this process who listens.
//!
//! The channel remembers nothing, so whenever something may have been missed (Redis was away, a listener was too
//! slow) listeners get [`Message::Reset`] and look up what they need. Nothing is kept for those who come later.

use std::sync::Arc;
use std::time::Duration;

use contract::Index;
use queue::{Channel, Event, Redis, Subscription};
use service::Backoff;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Messages a listener may lag behind before it misses some: seconds at full load.
const BACKLOG: usize = 4_096;
/// Waits between attempts to subscribe: the first, and the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Something happened.
    Event(Arc<Happened>),
    /// Something may have been missed.
    Reset,
}

/// An event, rendered once for all listeners.
#[derive(Debug)]
pub(crate) struct Happened {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its data, as JSON.
    pub(crate) json: String,
    /// The index whose calculation has ended, well or badly.
    pub(crate) ended: Option<Index>,
}

/// Where to listen. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Relay {
    sender: broadcast::Sender<Message>,
}

/// A place among the listeners.
pub(crate) struct Listener(broadcast::Receiver<Message>);

impl Relay {
    /// Nobody listens yet.
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG) }
    }

    /// From when this returns, nothing is missed without a [`Message::Reset`].
    pub(crate) fn listen(&self) -> Listener {
        Listener(self.sender.subscribe())
    }

    /// Relays until `token` is cancelled.
    pub(crate) async fn run(self, redis: Redis, token: CancellationToken) {
        token.run_until_cancelled_owned(self.relay(redis)).await;
    }

    async fn relay(self, redis: Redis) {
        let mut backoff = BACKOFF;
        loop {
            match Subscription::open(&redis, Channel::Results).await {
                Ok(subscription) => {
                    backoff.reset();
                    self.send(Message::Reset);
                    self.pass_on(subscription).await;
                    tracing::warn!("the results channel was cut off");
                }
                Err(error) => tracing::debug!(%error, "cannot subscribe to the results channel"),
            }
            backoff.pause().await;
        }
    }

    async fn pass_on(&self, mut subscription: Subscription) {
        while let Some(message) = subscription.next().await {
            // Reading and rendering what nobody hears would take a tenth of the time of a submission.
            if self.sender.receiver_count() == 0 {
                continue;
            }
            for event in Event::read(&message) {
                match event {
                    Some(event) => self.send(Message::Event(Arc::new(Happened::render(&event)))),
                    None => tracing::warn!("a message on the results channel is not an event"),
                }
            }
        }
    }

    fn send(&self, message: Message) {
        // Fails when nobody listens, which is no failure.
        let _ = self.sender.send(message);
    }
}

impl Listener {
    /// The next message; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self.0.recv().await {
            Ok(message) => Some(message),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Message::Reset),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Waits until the calculation of `index` has ended, or may have ended unseen.
    pub(crate) async fn ended(&mut self, index: Index) {
        while let Some(Message::Event(happened)) = self.next().await {
            if happened.ended == Some(index) {
                return;
            }
        }
    }
}

impl Happened {
    fn render(event: &Event) -> Self {
        let (name, json, ended) = match event {
            Event::Seen(seen) => ("seen", serde_json::to_string(seen), None),
            Event::Value(value) => ("value", serde_json::to_string(value), Some(value.index)),
            Event::DeadLettered(failed) => ("failed", serde_json::to_string(failed), Some(failed.index)),
        };
        // Plain structs of numbers and strings have no way to fail.
        Self { name, json: json.unwrap_or_default(), ended }
    }
}
