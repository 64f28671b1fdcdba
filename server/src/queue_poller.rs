//! Reads the state of the queue once a second, for the metrics and for admission to the queue.

use std::time::Duration;

use queue::{Producer, QueueMonitor};
use tokio_util::sync::CancellationToken;

use crate::metrics;

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Polls Redis until `token` is cancelled.
pub(crate) async fn poll(monitor: QueueMonitor, producer: Producer, token: CancellationToken) {
    let polling = async {
        loop {
            let stats = monitor.stats().await.ok();
            metrics::queue::report(stats.as_ref());
            match stats {
                Some(stats) => producer.note_queue_length(stats.queue_length),
                // While Redis is down, submissions are only stored, so a queue that was full must
                // not refuse them.
                None => producer.reset_queue_length(),
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    token.run_until_cancelled(polling).await;
}
