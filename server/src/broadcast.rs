//! Fan-out of the results channel of Redis to the event streams and requests of this process.
//!
//! The channel keeps nothing, so whenever a message may have been missed (Redis was down, a
//! subscriber was too slow) subscribers get [`Message::Reset`] and read again what they need.

use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use contract::Index;
use queue::{Channel, QueueEvent, RedisClient, Subscription};
use service::RECONNECT;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Messages a subscriber may lag behind: seconds at full load.
const MAX_LAG: usize = 4_096;
/// After Redis has closed the subscription.
const RESUBSCRIBE_DELAY: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
pub(crate) enum Message {
    Event(Arc<RenderedEvent>),
    /// Messages may have been missed.
    Reset,
}

/// An event, rendered once for all subscribers.
#[derive(Debug)]
pub(crate) struct RenderedEvent {
    /// Name of the server-sent event.
    pub(crate) name: &'static str,
    /// Its data, JSON.
    pub(crate) json: String,
    /// The index whose job is finished, with a value or as a dead letter.
    finished: Option<Index>,
}

/// Sends messages to all subscribers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Broadcaster {
    sender: broadcast::Sender<Message>,
}

pub(crate) struct Subscriber(broadcast::Receiver<Message>);

impl Broadcaster {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(MAX_LAG) }
    }

    /// After this returns, no message is missed without a [`Message::Reset`].
    pub(crate) fn subscribe(&self) -> Subscriber {
        Subscriber(self.sender.subscribe())
    }

    /// Runs until `token` is cancelled.
    pub(crate) async fn run(self, redis: RedisClient, token: CancellationToken) {
        token.run_until_cancelled_owned(self.broadcast(redis)).await;
    }

    async fn broadcast(self, redis: RedisClient) {
        loop {
            let subscribe = || Subscription::open(&redis, Channel::Results);
            let subscribed = subscribe
                .retry(RECONNECT)
                .notify(
                    |error, _| tracing::debug!(%error, "cannot subscribe to the results channel"),
                )
                .await;
            if let Ok(subscription) = subscribed {
                self.send(Message::Reset);
                self.forward(subscription).await;
                // `RedisClient::poll_health` reports an outage.
                tracing::info!("subscription to the results channel closed");
            }
            tokio::time::sleep(RESUBSCRIBE_DELAY).await;
        }
    }

    async fn forward(&self, mut subscription: Subscription) {
        while let Some(message) = subscription.next().await {
            // Without subscribers, parsing and rendering would be a tenth of the cost of a
            // submission.
            if self.sender.receiver_count() == 0 {
                continue;
            }
            for event in QueueEvent::parse(&message) {
                match event {
                    Some(event) => self.send(Message::Event(Arc::new(RenderedEvent::new(&event)))),
                    None => tracing::warn!("message on the results channel is not an event"),
                }
            }
        }
    }

    fn send(&self, message: Message) {
        // An error only says that there are no subscribers.
        let _ = self.sender.send(message);
    }
}

impl Subscriber {
    /// The next message; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self.0.recv().await {
            Ok(message) => Some(message),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Message::Reset),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Waits until the job of `index` is finished, or may have been finished unnoticed.
    pub(crate) async fn finished(&mut self, index: Index) {
        while let Some(Message::Event(event)) = self.next().await {
            if event.finished == Some(index) {
                return;
            }
        }
    }
}

impl RenderedEvent {
    fn new(event: &QueueEvent) -> Self {
        let (name, json, finished) = match event {
            QueueEvent::Submitted(seen) => ("seen", serde_json::to_string(seen), None),
            QueueEvent::Value(value) => ("value", serde_json::to_string(value), Some(value.index)),
            QueueEvent::DeadLettered(dead) => {
                ("failed", serde_json::to_string(dead), Some(dead.index))
            }
        };
        // Serializing numbers and strings cannot fail.
        Self { name, json: json.unwrap_or_default(), finished }
    }
}
