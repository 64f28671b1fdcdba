//! One client's large work and the repair of a backlog, beside another client's small work.

use std::time::{Duration, Instant};

use e2e::{LocalSite, Site, eventually};
use stack::SystemOptions;
use stack::testing::TEST_TIMEOUT;

/// Of 100 waits, on a busy machine; a quiet one needs less than a second.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Fills the queue with indices near 10 million, and lets 20,000 of all sizes wait for repair.
async fn fill_queue(site: &LocalSite) {
    site.psql("INSERT INTO values SELECT generate_series(1, 2000000, 100)").expect("a backlog");
    for number in 9_990_000.. {
        if site.try_submit(number).await.is_err() {
            break;
        }
    }
    let repair_jobs = || {
        let metrics = site.servers[0].metrics().ok()?;
        metrics
            .lines()
            .find_map(|line| line.strip_prefix("queue_class_jobs{class=\"repair\"} ")?.parse().ok())
    };
    eventually("the repair class is nearly full", TEST_TIMEOUT, async || {
        repair_jobs().filter(|jobs: &u32| *jobs > 2_000)
    })
    .await;
}

#[tokio::test]
async fn small_work_waits_neither_behind_large_work_nor_behind_repair() {
    let site = Site::start_with(SystemOptions { workers: 2, ..SystemOptions::default() });
    fill_queue(&site).await;
    let mut waits = Vec::new();
    for index in (0..100).map(|number| 90_000 + 100 * number) {
        let submitted = Instant::now();
        site.submit(index).await;
        eventually("the value is there", TEST_TIMEOUT, async || site.digits(index).await).await;
        waits.push(submitted.elapsed());
    }
    waits.sort_unstable();
    println!("median {:?}, 99th percentile {:?}, longest {:?}", waits[50], waits[98], waits[99]);
    assert!(waits[99] < LONGEST_WAIT, "{waits:?}");
}
