//! Gauges of the queue, the workers and Redis. The same figures tell `submissions` how long the
//! queue is.

use std::time::Duration;

use queue::{Producer, QueueMonitor, QueueStats};
use tokio_util::sync::CancellationToken;

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Polls Redis until `token` is cancelled.
pub(crate) async fn poll(monitor: QueueMonitor, producer: Producer, token: CancellationToken) {
    let polling = async {
        loop {
            match monitor.stats().await {
                Ok(stats) => {
                    producer.note_queue_length(stats.queue_length);
                    report(&stats);
                }
                // While Redis is down nothing is queued, so nothing may be refused for a full
                // queue.
                Err(_) => {
                    producer.reset_queue_length();
                    report_redis_down();
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    token.run_until_cancelled(polling).await;
}

fn report(stats: &QueueStats) {
    metrics::gauge!("redis_up").set(1.0);
    metrics::gauge!("queue_jobs").set(stats.queue_length.jobs as f64);
    metrics::gauge!("queue_oldest_job_seconds").set(stats.oldest_job_age.as_secs_f64());
    metrics::gauge!("dead_letters").set(stats.dead_letters as f64);
    metrics::gauge!("workers_alive").set(stats.live_workers as f64);
}

/// NaN, because the last known figures would look like current ones.
fn report_redis_down() {
    metrics::gauge!("redis_up").set(0.0);
    for unknown in ["queue_jobs", "queue_oldest_job_seconds", "dead_letters", "workers_alive"] {
        metrics::gauge!(unknown).set(f64::NAN);
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    const STATS: QueueStats = QueueStats {
        queue_length: queue::QueueLength { jobs: 7, at: 0 },
        dead_letters: 1,
        live_workers: 2,
        oldest_job_age: Duration::from_millis(500),
    };

    /// What `/metrics` shows after `change`, without the help texts.
    fn rendered(change: impl Fn()) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, change);
        let lines = recorder.handle().render();
        let mut gauges: Vec<_> =
            lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        gauges.sort_unstable();
        gauges.join(", ")
    }

    #[test]
    fn the_figures_are_shown_while_redis_answers() {
        let gauges =
            "dead_letters 1, queue_jobs 7, queue_oldest_job_seconds 0.5, redis_up 1, workers_alive 2";
        assert_eq!(rendered(|| report(&STATS)), gauges);
    }

    #[test]
    fn the_last_known_figures_are_not_shown_while_redis_is_down() {
        let reported = rendered(|| {
            report(&STATS);
            report_redis_down();
        });
        let gauges =
            "dead_letters NaN, queue_jobs NaN, queue_oldest_job_seconds NaN, redis_up 0, workers_alive NaN";
        assert_eq!(reported, gauges);
    }
}
