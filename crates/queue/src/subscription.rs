//! Listening on a channel, for as long as one connection lasts.
//!
//! Channels remember nothing: what was published while nobody listened is gone. Whoever subscribes again must
//! look up what it may have missed, which is why reconnecting is the caller's business.

use futures_util::StreamExt;
use redis::aio::PubSub;

use crate::keys::{INSERT, RESULTS};
use crate::{Error, Redis};

/// Bytes of a message at most: an event has fewer than a thousand.
const LONGEST: usize = 4_096;

/// A channel to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Indices that enter the queue, as decimal text.
    Insert,
    /// [`crate::Event`]s.
    Results,
}

/// A live subscription.
pub struct Subscription(PubSub);

impl Subscription {
    /// Subscribes; when this returns, nothing published from now on is missed.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn open(redis: &Redis, channel: Channel) -> Result<Self, Error> {
        let mut pubsub = redis.pubsub().await?;
        pubsub
            .subscribe(match channel {
                Channel::Insert => INSERT,
                Channel::Results => RESULTS,
            })
            .await?;
        Ok(Self(pubsub))
    }

    /// The next message; `None` when the connection has ended. What is not text, or longer than any message of ours, is
    /// passed over.
    pub async fn next(&mut self) -> Option<String> {
        let mut messages = self.0.on_message();
        loop {
            match messages.next().await?.get_payload::<String>() {
                Ok(text) if text.len() <= LONGEST => return Some(text),
                _ => {}
            }
        }
    }
}
