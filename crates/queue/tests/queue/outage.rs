//! An outage, in which no worker can send heartbeats, is not idle time of a job.

use super::*;

const AN_HOUR_MS: i64 = 60 * 60 * 1_000;

impl TestQueue {
    /// Simulates that Redis's clock was just set back by an hour: the delivery of the job and the
    /// last heartbeat lie in the future. No command sets such a delivery time, so this changes a
    /// dump of the stream.
    async fn set_clock_back(&self, job: &Job) {
        let mut dump: Vec<u8> = self.command(&["DUMP", "jobs"]).await;
        let (ms, sequence) = job.id.split_once('-').unwrap();
        let id = [ms, sequence].map(|part| part.parse::<u64>().unwrap().to_be_bytes()).concat();
        let pending: Vec<usize> =
            (0..dump.len() - 24).filter(|at| dump[*at..].starts_with(&id)).collect();
        let delivered = pending.into_iter().map(|at| at + id.len()).find(|at| {
            let time = u64::from_le_bytes(dump[*at..*at + 8].try_into().unwrap());
            time.abs_diff(now_micros() / 1_000) < 60_000
        });
        let (at, future) = (delivered.unwrap(), now_ms() + AN_HOUR_MS);
        dump[at..at + 8].copy_from_slice(&future.to_le_bytes());
        let end = dump.len() - 8;
        let checksum = crc64(&dump[..end]).to_le_bytes();
        dump[end..].copy_from_slice(&checksum);
        self.command::<()>(&[&b"RESTORE"[..], b"jobs", b"0", &dump, b"REPLACE"]).await;
        self.command::<()>(&["SET", "workers:last-heartbeat", &future.to_string()]).await;
    }

    /// Simulates that no worker has sent a heartbeat for `gap_ms`, and that the job has been idle
    /// for `idle_ms`.
    async fn simulate_outage(&self, job: &Job, owner: &str, gap_ms: i64, idle_ms: &str) {
        let last = now_ms() - gap_ms;
        self.command::<()>(&["SET", "workers:last-heartbeat", &last.to_string()]).await;
        let claim = ["XCLAIM", "jobs", "workers", owner, "0", &job.id, "IDLE", idle_ms, "JUSTID"];
        self.command::<Vec<String>>(&claim).await;
    }
}

#[tokio::test]
async fn a_live_workers_job_is_not_reclaimed_after_an_outage() {
    let queue = TestQueue::start().await;
    let (_worker, job) = queue.deliver(10, "live").await;
    queue.simulate_outage(&job, "live", 10_000, "10500").await;
    assert!(queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed.is_empty());
}

#[tokio::test]
async fn a_job_that_was_idle_before_an_outage_is_reclaimed() {
    let queue = TestQueue::start().await;
    let (_worker, job) = queue.deliver(10, "dead").await;
    queue.simulate_outage(&job, "dead", 10_000, "15000").await;
    let claimed = queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed;
    assert_eq!(indices(&claimed), [Some(10)]);
}

#[tokio::test]
async fn a_short_gap_between_heartbeats_is_no_outage() {
    let queue = TestQueue::start().await;
    let (_worker, job) = queue.deliver(10, "dead").await;
    queue.simulate_outage(&job, "dead", 500, "3500").await;
    let claimed = queue.worker("other").reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed;
    assert_eq!(indices(&claimed), [Some(10)]);
}

#[tokio::test]
async fn a_dead_workers_job_is_reclaimed_after_the_clock_is_set_back() {
    let queue = TestQueue::start().await;
    let (_dead, job) = queue.deliver(10, "dead").await;
    queue.set_clock_back(&job).await;
    let (worker, start) = (queue.worker("other"), Instant::now());
    let claimed = eventually("it is reclaimed", TEST_TIMEOUT, async || {
        worker.reclaim(Consumer::HEARTBEAT_TIMEOUT).await.claimed.pop()
    });
    assert_eq!(claimed.await.id, job.id);
    assert!(
        start.elapsed() >= Consumer::HEARTBEAT_TIMEOUT,
        "not at once, because its worker may be alive"
    );
    assert!(start.elapsed() < 2 * Consumer::HEARTBEAT_TIMEOUT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_dead_worker_is_not_the_leader_after_the_clock_is_set_back() {
    let queue = TestQueue::start().await;
    let future = (now_ms() + AN_HOUR_MS) / 1_000;
    queue.command::<usize>(&["ZADD", "workers", &future.to_string(), "a dead worker"]).await;
    assert!(queue.worker("b live worker").consumer.heartbeat(&[]).await.unwrap());
}

fn now_ms() -> i64 {
    i64::try_from(now_micros() / 1_000).unwrap()
}

/// The checksum at the end of a dump: reflected CRC-64 with the Jones polynomial.
fn crc64(bytes: &[u8]) -> u64 {
    let step = |crc: u64, _| if crc & 1 == 1 { crc >> 1 ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ u64::from(*byte), step))
}
