//! A subscription to a channel, for as long as one connection lasts.
//!
//! Redis delivers a message only to those who are subscribed when it is published. After a new
//! subscription the caller must look up what it may have missed, so reconnecting is left to the
//! caller.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::RESPONSE_TIMEOUT;
use crate::keys::{INSERT, RESULTS};
use crate::{QueueError, RedisClient};

/// Longer messages are not ours: 256 events of fewer than a thousand bytes each.
const MAX_MESSAGE_BYTES: usize = 256 * 1_024;

/// After this long without a message, a ping finds out whether the connection still works.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Indices that enter the queue, as decimal text.
    Insert,
    /// [`crate::QueueEvent`]s.
    Results,
}

pub struct Subscription {
    sink: PubSubSink,
    messages: PubSubStream,
    replaced: watch::Receiver<u64>,
}

impl Subscription {
    /// Subscribes. Every message published after this returns is received.
    pub async fn open(redis: &RedisClient, channel: Channel) -> Result<Self, QueueError> {
        let replaced = redis.replacements.subscribe();
        let (mut sink, messages) = redis.pubsub().await?.split();
        let channel = match channel {
            Channel::Insert => INSERT,
            Channel::Results => RESULTS,
        };
        timeout(RESPONSE_TIMEOUT, sink.subscribe(channel)).await??;
        Ok(Self { sink, messages, replaced })
    }

    /// The next message; `None` when the connection has ended, Redis no longer answers, or another
    /// Redis has taken its place. Messages that are not text, or longer than any of ours, are
    /// skipped.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let message = tokio::select! {
                message = timeout(IDLE_BEFORE_PING, self.messages.next()) => message,
                _ = self.replaced.changed() => return None,
            };
            match message {
                Ok(message) => match message?.get_payload::<String>() {
                    Ok(text) if text.len() <= MAX_MESSAGE_BYTES => return Some(text),
                    _ => {}
                },
                Err(_) => {
                    let pong =
                        timeout(RESPONSE_TIMEOUT, self.sink.ping::<redis::Value>()).await.ok()?;
                    // A Redis that refuses even PING, as after a failed snapshot, has answered.
                    if pong.is_err_and(|error| error.code().is_none()) {
                        return None;
                    }
                }
            }
        }
    }
}
