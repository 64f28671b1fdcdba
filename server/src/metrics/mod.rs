//! Metrics: their help texts, the counts of requests (`http`) and the state of the queue (`queue`).
//! All other metrics are recorded where the events happen.

pub(crate) mod http;
pub(crate) mod queue;

/// Registers the help texts, and the metrics that must exist before the first event: an alert on a
/// missing metric never fires.
pub(crate) fn describe() {
    metrics::describe_counter!("http_requests_total", "requests by method, route and status");
    metrics::describe_histogram!(
        "http_request_seconds",
        "time until the head of the response is ready, by method and route"
    );
    metrics::describe_counter!("submissions_total", "submissions committed to Postgres");
    metrics::describe_histogram!("commit_seconds", "duration of a commit of up to 256 submissions");
    metrics::describe_gauge!("event_streams", "open event streams of this api");
    metrics::describe_gauge!(
        "stored_submissions",
        "upper bound of the submissions in Postgres: newest id - oldest id + 1"
    );
    metrics::describe_gauge!("postgres_database_bytes", "size of the database, with its indexes");
    metrics::describe_counter!(
        "requeued_indices_total",
        "accepted indices that Redis had neither a value nor a job for, and that were queued again"
    );
    metrics::describe_counter!(
        "pruned_submissions_total",
        "submissions deleted beyond MAX_SUBMISSIONS"
    );
    metrics::describe_gauge!("queue_jobs", "jobs that are queued or being calculated");
    metrics::describe_gauge!(
        "queue_class_jobs",
        "jobs that are queued or being calculated, by class: small, large, repair"
    );
    metrics::describe_gauge!("queue_oldest_job_seconds", "age of the oldest job");
    metrics::describe_gauge!("dead_letters", "dead letters: jobs that failed three deliveries");
    metrics::describe_gauge!("workers_alive", "workers with a recent heartbeat");
    metrics::describe_gauge!("postgres_up", "1 when Postgres accepts writes; else 0");
    metrics::describe_gauge!(
        "redis_up",
        "1 when Redis accepts writes; else 0, and the gauges of the queue are NaN"
    );
    for counter in ["submissions_total", "pruned_submissions_total", "requeued_indices_total"] {
        let _ = metrics::counter!(counter);
    }
    let _ = metrics::gauge!("event_streams");
    let _ = metrics::histogram!("commit_seconds");
}
