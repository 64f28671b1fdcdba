//! Looks once a second how full the queue is, for the metrics and for refusing work before it is committed, and whether what
//! stands in Redis can be ours.
//!
//! It counts no requests, which `meters` does, and sets nothing right: that is `reconcile`.

use std::time::Duration;

use queue::{Cache, Producer, Stats};
use tokio_util::sync::CancellationToken;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Says what the metrics mean.
pub(crate) fn describe() {
    metrics::describe_counter!("http_requests_total", "requests by method, route and status");
    metrics::describe_histogram!("http_request_seconds", "time to the first byte of an answer");
    metrics::describe_counter!("submissions_total", "indices committed to Postgres");
    metrics::counter!("submissions_total").increment(0);
    metrics::describe_histogram!("commit_seconds", "time of one commit, shared by a group of submissions");
    metrics::describe_gauge!("event_streams", "open event streams of this api");
    metrics::describe_gauge!("queue_jobs", "jobs that wait or are being calculated");
    metrics::describe_gauge!(
        "queue_oldest_job_seconds",
        "age of the oldest job: rises when workers fall behind"
    );
    metrics::describe_gauge!("dead_letters", "jobs given up; look at them when it is not 0");
    metrics::describe_gauge!(
        "workers_alive",
        "workers that gave a sign of life; values do not come when it is 0"
    );
    metrics::describe_gauge!("redis_up", "1 when Redis answers; what it would have said is NaN when it is 0");
    // There before anything happens: an alarm on one that is missing would never ring. Gauges come with the first look.
    let _ = metrics::counter!("submissions_total");
    let _ = metrics::histogram!("commit_seconds");
}

/// Looks until `token` is cancelled.
pub(crate) async fn run(cache: Cache, producer: Producer, token: CancellationToken) {
    token
        .run_until_cancelled(async {
            loop {
                match look(&cache).await {
                    Ok(stats) => {
                        producer.note_waiting(stats.queue);
                        show(&stats);
                    }
                    // With Redis away nothing is queued, and nothing must be refused for a full queue.
                    Err(_) => {
                        show_away();
                        producer.note_waiting(0);
                    }
                }
                tokio::time::sleep(EVERY).await;
            }
        })
        .await;
}

async fn look(cache: &Cache) -> Result<Stats, queue::Error> {
    for key in cache.mend().await? {
        tracing::warn!(key, "what cannot be ours was removed; what belongs there is made anew");
    }
    cache.stats().await
}

fn show(stats: &Stats) {
    metrics::gauge!("redis_up").set(1.0);
    metrics::gauge!("queue_jobs").set(stats.queue as f64);
    metrics::gauge!("queue_oldest_job_seconds").set(stats.oldest_job as f64 / 1_000.0);
    metrics::gauge!("dead_letters").set(stats.dead_letters as f64);
    metrics::gauge!("workers_alive").set(stats.workers as f64);
}

/// What Redis said last would look like what it says.
fn show_away() {
    metrics::gauge!("redis_up").set(0.0);
    for unknown in ["queue_jobs", "queue_oldest_job_seconds", "dead_letters", "workers_alive"] {
        metrics::gauge!(unknown).set(f64::NAN);
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn what_is_not_known_while_redis_is_away_is_not_shown_as_it_was() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let lines = |change: &dyn Fn()| {
            metrics::with_local_recorder(&recorder, change);
            recorder.handle().render()
        };
        let there = lines(&|| show(&Stats { queue: 7, dead_letters: 1, workers: 2, oldest_job: 500 }));
        for line in ["redis_up 1", "queue_jobs 7", "dead_letters 1", "workers_alive 2"] {
            assert!(there.lines().any(|shown| shown == line), "{there}");
        }
        let away = lines(&show_away);
        for line in [
            "redis_up 0",
            "queue_jobs NaN",
            "queue_oldest_job_seconds NaN",
            "dead_letters NaN",
            "workers_alive NaN",
        ] {
            assert!(away.lines().any(|shown| shown == line), "{away}");
        }
        assert!(lines(&|| show(&Stats::default())).contains("workers_alive 0"));
    }
}
