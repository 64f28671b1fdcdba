//! Fair scheduling: large jobs and a repair backlog must not delay small jobs.

use std::time::{Duration, Instant};

use e2e::{LocalSite, Site, eventually};
use stack::SystemOptions;
use stack::testing::TEST_TIMEOUT;

/// Limit for the 99th percentile of the waits: 30 ms were measured on two idle cores.
const P99_WAIT: Duration = Duration::from_secs(1);

const FIRST_LARGE_INDEX: u32 = 9_990_000;

const SMALL_SUBMISSIONS: usize = 100;

/// Adds 20,000 indices up to 2 million without values, which the server repairs. Then fills the
/// queue with large jobs, and waits until it is nearly full of repair jobs.
async fn fill_queue(site: &LocalSite) {
    site.psql("INSERT INTO values SELECT generate_series(1, 2000000, 100)").expect("a backlog");
    for index in FIRST_LARGE_INDEX.. {
        if site.try_submit(index).await.is_err() {
            break;
        }
    }
    let repair_jobs = || {
        let metrics = site.servers[0].metrics().ok()?;
        metrics
            .lines()
            .find_map(|line| line.strip_prefix("queue_class_jobs{class=\"repair\"} ")?.parse().ok())
    };
    eventually("the queue is nearly full of repair jobs", TEST_TIMEOUT, async || {
        repair_jobs().filter(|jobs: &u32| *jobs > 2_000)
    })
    .await;
}

#[tokio::test]
async fn small_jobs_do_not_wait_behind_large_jobs_or_repair() {
    let site = Site::start_with(SystemOptions { workers: 2, ..SystemOptions::default() });
    fill_queue(&site).await;
    let mut waits = Vec::new();
    for index in (90_000..).step_by(100).take(SMALL_SUBMISSIONS) {
        let submitted = Instant::now();
        site.submit(index).await;
        eventually("the index has its value", TEST_TIMEOUT, async || site.digits(index).await)
            .await;
        waits.push(submitted.elapsed());
    }
    waits.sort_unstable();
    let [median, p99, longest] =
        [SMALL_SUBMISSIONS / 2, SMALL_SUBMISSIONS - 2, SMALL_SUBMISSIONS - 1].map(|at| waits[at]);
    println!("median {median:?}, 99th percentile {p99:?}, longest {longest:?}");
    assert!(p99 < P99_WAIT, "{waits:?}");
}
