//! Gauges of the queue, the workers and Redis.

use queue::{JobClass, QueueStats};

/// Sets the gauges. `stats` is `None` while Redis does not accept writes.
pub(crate) fn report(stats: Option<&QueueStats>) {
    let Some(stats) = stats else { return report_redis_down() };
    metrics::gauge!("redis_up").set(1.0);
    metrics::gauge!("queue_jobs").set(stats.queue_length.jobs() as f64);
    for class in JobClass::ALL {
        class_gauge(class).set(stats.queue_length.by_class[class] as f64);
    }
    metrics::gauge!("queue_oldest_job_seconds").set(stats.oldest_job_age.as_secs_f64());
    metrics::gauge!("dead_letters").set(stats.dead_letters as f64);
    metrics::gauge!("workers_alive").set(stats.live_workers as f64);
}

/// Sets the gauges to NaN, because their last values would look current.
fn report_redis_down() {
    metrics::gauge!("redis_up").set(0.0);
    for name in ["queue_jobs", "queue_oldest_job_seconds", "dead_letters", "workers_alive"] {
        metrics::gauge!(name).set(f64::NAN);
    }
    JobClass::ALL.into_iter().for_each(|class| class_gauge(class).set(f64::NAN));
}

fn class_gauge(class: JobClass) -> metrics::Gauge {
    metrics::gauge!("queue_class_jobs", "class" => class.name())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    const STATS: QueueStats = QueueStats {
        queue_length: queue::QueueLength { by_class: queue::PerClass([4, 2, 1]), at: 0 },
        dead_letters: 1,
        live_workers: 2,
        worker_names: Vec::new(),
        oldest_job_age: Duration::from_millis(500),
    };

    /// The gauges in `/metrics` after these reports, sorted.
    fn rendered_gauges(reports: &[Option<&QueueStats>]) -> Vec<String> {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || reports.iter().for_each(|stats| report(*stats)));
        let metrics = recorder.handle().render();
        let gauges = metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut gauges: Vec<String> = gauges.map(str::to_owned).collect();
        gauges.sort_unstable();
        gauges
    }

    #[test]
    fn the_gauges_have_values_while_redis_is_up() {
        let expected = [
            "dead_letters 1",
            "queue_class_jobs{class=\"large\"} 2",
            "queue_class_jobs{class=\"repair\"} 1",
            "queue_class_jobs{class=\"small\"} 4",
            "queue_jobs 7",
            "queue_oldest_job_seconds 0.5",
            "redis_up 1",
            "workers_alive 2",
        ];
        assert_eq!(rendered_gauges(&[Some(&STATS)]), expected);
    }

    #[test]
    fn the_gauges_are_nan_while_redis_is_down() {
        let expected = [
            "dead_letters NaN",
            "queue_class_jobs{class=\"large\"} NaN",
            "queue_class_jobs{class=\"repair\"} NaN",
            "queue_class_jobs{class=\"small\"} NaN",
            "queue_jobs NaN",
            "queue_oldest_job_seconds NaN",
            "redis_up 0",
            "workers_alive NaN",
        ];
        assert_eq!(rendered_gauges(&[Some(&STATS), None]), expected);
    }
}
