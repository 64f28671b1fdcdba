//! The worker's metrics.

/// Outcomes of a job: the label `outcome` of `jobs_total`.
pub(crate) mod outcome {
    /// Its result is stored.
    pub(crate) const DONE: &str = "done";
    /// Redis refused its result, or was unavailable for too long. The job is released.
    pub(crate) const NOT_STORED: &str = "not_stored";
    /// This worker reclaimed it.
    pub(crate) const RECLAIMED: &str = "reclaimed";
    /// It became a dead letter.
    pub(crate) const DEAD_LETTERED: &str = "dead_lettered";
}

/// Registers help texts, and all counters, because an alert on a missing metric never fires.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "jobs_taken_total",
        "new jobs read from the queue, without reclaimed ones"
    );
    metrics::describe_counter!(
        "jobs_total",
        "jobs by outcome: done; not_stored (Redis did not accept the result); reclaimed (released, \
         or without a heartbeat); dead_lettered"
    );
    metrics::describe_counter!(
        "corrected_results_total",
        "uncertain or wrong FFT results, recalculated with exact integers"
    );
    metrics::describe_counter!(
        "wrong_results_total",
        "results that failed their check and were not stored"
    );
    metrics::describe_histogram!("calculation_seconds", "duration of a calculation");
    let _ = metrics::counter!("jobs_taken_total");
    for outcome in [outcome::DONE, outcome::NOT_STORED, outcome::RECLAIMED, outcome::DEAD_LETTERED]
    {
        count(outcome, 0);
    }
    let _ = metrics::counter!("corrected_results_total");
    let _ = metrics::counter!("wrong_results_total");
    let _ = metrics::histogram!("calculation_seconds");
}

pub(crate) fn count(outcome: &'static str, jobs: usize) {
    metrics::counter!("jobs_total", "outcome" => outcome).increment(jobs as u64);
}
