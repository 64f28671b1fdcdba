//! Listening on a channel, for as long as one connection lasts.
//!
//! Channels remember nothing: what was published while nobody listened is gone. Whoever subscribes again must
//! look up what it may have missed, which is why reconnecting is the caller's business.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::timeout;

use crate::connection::ANSWER;
use crate::keys::{INSERT, RESULTS};
use crate::{Error, Redis};

/// Bytes of a message at most: an event has fewer than a thousand, and a group has 256.
const LONGEST: usize = 256 * 1_024;

/// After a silence this long Redis is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(2);

/// A channel to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Indices that enter the queue, as decimal text.
    Insert,
    /// [`crate::Event`]s.
    Results,
}

/// A live subscription.
pub struct Subscription {
    sink: PubSubSink,
    messages: PubSubStream,
}

impl Subscription {
    /// Subscribes; when this returns, nothing published from now on is missed.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn open(redis: &Redis, channel: Channel) -> Result<Self, Error> {
        let (mut sink, messages) = redis.pubsub().await?.split();
        let channel = match channel {
            Channel::Insert => INSERT,
            Channel::Results => RESULTS,
        };
        match timeout(ANSWER, sink.subscribe(channel)).await {
            Ok(subscribed) => subscribed?,
            Err(_) => return Err(Error::too_late()),
        }
        Ok(Self { sink, messages })
    }

    /// The next message; `None` when the connection has ended, or Redis has fallen silent. What is not text, or longer than
    /// any message of ours, is passed over.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match timeout(SILENCE, self.messages.next()).await {
                Ok(message) => match message?.get_payload::<String>() {
                    Ok(text) if text.len() <= LONGEST => return Some(text),
                    _ => {}
                },
                Err(_) => timeout(ANSWER, self.sink.ping::<redis::Value>()).await.ok()?.ok().map(drop)?,
            }
        }
    }
}
