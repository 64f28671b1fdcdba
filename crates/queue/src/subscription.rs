//! A subscription to a channel. It ends with its connection.
//!
//! Redis delivers a message only to the current subscribers. So the caller subscribes again itself,
//! and then reads what it may have missed.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::RESPONSE_TIMEOUT;
use crate::keys::{INSERT_CHANNEL, RESULTS_CHANNEL};
use crate::{QueueError, RedisClient};

/// Longer messages are not ours. We publish at most 500 `seen` events of about 150 bytes in one
/// message, or the results of a worker's batch: 64 `value` events of less than 1,000 bytes.
const MAX_MESSAGE_BYTES: usize = 256 * 1_024;

/// After this time without a message, PING checks that the connection still works.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(2);

/// The channels that can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Indices that enter the queue, as decimal text.
    Insert,
    /// [`crate::QueueEvent`]s.
    Results,
}

/// An open subscription to one channel.
pub struct Subscription {
    sink: PubSubSink,
    messages: PubSubStream,
    replacements: watch::Receiver<u64>,
}

impl Subscription {
    /// Subscribes. Every message that is published after this returns is received.
    pub async fn open(redis: &RedisClient, channel: Channel) -> Result<Self, QueueError> {
        let replacements = redis.replacements.subscribe();
        let (mut sink, messages) = redis.pubsub().await?.split();
        let channel = match channel {
            Channel::Insert => INSERT_CHANNEL,
            Channel::Results => RESULTS_CHANNEL,
        };
        timeout(RESPONSE_TIMEOUT, sink.subscribe(channel)).await??;
        Ok(Self { sink, messages, replacements })
    }

    /// The next message; `None` if the connection has ended, Redis does not answer any more, or the
    /// shared connection was replaced. Skips messages that are not text or too long to be ours.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let message = tokio::select! {
                message = timeout(IDLE_BEFORE_PING, self.messages.next()) => message,
                _ = self.replacements.changed() => return None,
            };
            match message {
                Ok(message) => match message?.get_payload::<String>() {
                    Ok(text) if text.len() <= MAX_MESSAGE_BYTES => return Some(text),
                    _ => {}
                },
                Err(_) => {
                    let pong =
                        timeout(RESPONSE_TIMEOUT, self.sink.ping::<redis::Value>()).await.ok()?;
                    // An error reply proves that the connection works. Redis refuses even PING
                    // after a failed snapshot.
                    if pong.is_err_and(|error| error.code().is_none()) {
                        return None;
                    }
                }
            }
        }
    }
}
