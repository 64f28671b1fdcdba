//! Listens to `insert`, the original's channel, so that an original server's indices are calculated here.
//!
//! Our own server announces there too, after it has queued an index itself; such an index is queued already and
//! nothing happens. What is no index, or above the bound, is passed over.

use std::time::Duration;

use contract::Index;
use queue::{Channel, Error, Producer, Redis, Subscription};
use service::Backoff;
use tokio_util::sync::CancellationToken;

/// Waits between attempts to subscribe: the first, and the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
/// What logs and events name instead of a request.
const REQUEST_ID: &str = "insert";

/// Listens for an original server's announcements.
pub(crate) struct Adopter {
    pub(crate) redis: Redis,
    pub(crate) producer: Producer,
    pub(crate) max_index: u32,
}

impl Adopter {
    /// Listens until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        token
            .run_until_cancelled(async {
                let mut backoff = BACKOFF;
                loop {
                    if let Err(error) = self.listen(&mut backoff).await {
                        tracing::debug!(%error, "cannot listen to announcements");
                    }
                    backoff.pause().await;
                }
            })
            .await;
    }

    async fn listen(&self, backoff: &mut Backoff) -> Result<(), Error> {
        let mut subscription = Subscription::open(&self.redis, Channel::Insert).await?;
        backoff.reset();
        while let Some(message) = subscription.next().await {
            match Index::parse(&message, self.max_index) {
                Ok(index) => {
                    self.producer.adopt(&[index], REQUEST_ID).await?;
                }
                Err(error) => tracing::warn!(%error, "an announcement is not an index"),
            }
        }
        Ok(())
    }
}
