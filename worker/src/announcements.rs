//! Queues the indices that a server of the original application announces on the channel `insert`.
//!
//! Our api announces its indices there too, but has queued them already. Every worker receives each
//! announcement, and only the leader queues it. For some seconds after the leader's death no worker
//! is the leader; the api's reconciler then finds the index in Postgres.

use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use contract::Index;
use queue::{Channel, Producer, QueueError, RedisClient, Subscription};
use service::RECONNECT;
use tokio_util::sync::CancellationToken;

use crate::jobs::Jobs;

/// Delay after a subscription has ended.
const RESUBSCRIBE_DELAY: Duration = Duration::from_millis(50);
/// Stands for the request id in logs and events, because an announcement has none.
const ANNOUNCED_REQUEST_ID: &str = "insert";

pub(crate) struct AnnouncementListener {
    pub(crate) redis: RedisClient,
    pub(crate) producer: Producer,
    pub(crate) max_index: u32,
    pub(crate) jobs: Arc<Jobs>,
}

impl AnnouncementListener {
    /// Runs until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        token.run_until_cancelled(self.listen()).await;
    }

    async fn listen(&self) {
        loop {
            let subscribe = || Subscription::open(&self.redis, Channel::Insert);
            let log =
                |error: &QueueError, _| tracing::debug!(%error, "cannot subscribe to `insert`");
            if let Ok(subscription) = subscribe.retry(RECONNECT).notify(log).await
                && let Err(error) = self.enqueue_from(subscription).await
            {
                tracing::debug!(%error, "announced index not queued");
            }
            tokio::time::sleep(RESUBSCRIBE_DELAY).await;
        }
    }

    async fn enqueue_from(&self, mut subscription: Subscription) -> Result<(), QueueError> {
        while let Some(message) = subscription.next().await {
            if !self.jobs.status.is_leader() {
                continue;
            }
            match Index::parse(&message, self.max_index) {
                Ok(index) => {
                    self.producer.enqueue_announced(index, ANNOUNCED_REQUEST_ID).await?;
                }
                // Not a warning, because an api with a higher MAX_INDEX announces such indices too,
                // and has queued them.
                Err(error) => tracing::debug!(%error, "announcement ignored"),
            }
        }
        Ok(())
    }
}
