//! Fan-out of the Redis channel `results` to the event streams and requests of this process.
//!
//! The channel does not store messages. When some may have been missed, because Redis was down or a
//! subscriber was too slow, subscribers get [`Message::Reset`] and must read the current state.

use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use contract::Index;
use queue::{Channel, QueueEvent, RedisClient, Subscription};
use service::RECONNECT;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Messages that a subscriber may lag behind; at full load they arrive within seconds.
const MAX_LAG: usize = 4_096;
/// Delay after a subscription has ended.
const RESUBSCRIBE_DELAY: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
pub(crate) enum Message {
    Event(Arc<RenderedEvent>),
    /// Messages may have been missed.
    Reset,
}

/// A server-sent event, rendered once for all subscribers.
#[derive(Debug)]
pub(crate) struct RenderedEvent {
    pub(crate) name: &'static str,
    /// The data of the event.
    pub(crate) json: String,
    /// The index whose job has finished, with a value or as a dead letter.
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

    /// From now on, the subscriber gets every message, or a [`Message::Reset`] in its place.
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
            // Parsing and rendering are a tenth of the cost of a submission: skip them when there
            // are no subscribers.
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
        // Fails only if there are no subscribers.
        let _ = self.sender.send(message);
    }
}

impl Subscriber {
    /// Returns the next message, or `None` when the broadcaster is dropped.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self.0.recv().await {
            Ok(message) => Some(message),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Message::Reset),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Waits until the job of `index` has finished, or messages may have been missed.
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
            QueueEvent::Submitted(event) => ("seen", serde_json::to_string(event), None),
            QueueEvent::Value(event) => ("value", serde_json::to_string(event), Some(event.index)),
            QueueEvent::DeadLettered(event) => {
                ("failed", serde_json::to_string(event), Some(event.index))
            }
        };
        // Serializing numbers and strings cannot fail.
        Self { name, json: json.unwrap_or_default(), finished }
    }
}
