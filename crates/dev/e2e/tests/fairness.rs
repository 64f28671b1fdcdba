//! One client's large work and the repair of a backlog, beside another client's small work.

use std::time::{Duration, Instant};

use e2e::{LocalSite, Site, eventually};
use stack::SystemOptions;
use stack::testing::TEST_TIMEOUT;

/// Of 100 waits, on a busy machine; a quiet one needs less than a second.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Fills the queue with indices near 10 million, and lets 20,000 smaller ones wait for repair.
async fn fill_queue(site: &LocalSite) {
    site.psql("INSERT INTO values SELECT generate_series(1000001, 1020000)").expect("a backlog");
    for number in 9_990_000.. {
        if site.try_submit(number).await.is_err() {
            break;
        }
    }
    let is_repaired = || site.servers[0].metrics().is_ok_and(|text| text.contains("class=\"repair\"} 2"));
    eventually("the repair fills its share", TEST_TIMEOUT, async || is_repaired().then_some(())).await;
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

#[tokio::test]
async fn an_index_that_adds_no_work_is_accepted_while_the_queue_is_full() {
    let site = Site::start_with(SystemOptions { workers: 2, ..SystemOptions::default() });
    fill_queue(&site).await;
    // The last that was accepted: it is queued.
    let queued = site.submissions().await.last().expect("a submission").number.get();
    site.submit(queued).await;
}
