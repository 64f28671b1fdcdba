//! The load of a run: submissions at a steady rate, whatever the responses are, and readers of the
//! lists and the event stream. All values are checked, and acknowledgements are recorded for
//! [`super::audit`].

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Result;
use contract::{SubmissionState, SubmitResponse};
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use stack::lock;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::oracle;
use crate::ValueEvents;

/// Longer than the timeouts of the server (10 s) and of the edge (15 s).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Longer than any run: an event stream has no end.
const STREAM_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Less than the 10 s after which the edge closes a connection that has carried no request. A
/// request that is sent at that moment fails.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two reads of the list, and between two event streams.
const READ_INTERVAL: Duration = Duration::from_millis(200);

/// Time between two batches of submissions.
const SUBMIT_INTERVAL: Duration = Duration::from_millis(5);

/// Time between two requests of a wait for a value.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Minimum time between two submissions of [`Load::submit_huge`]: as often as the edge lets one
/// address submit, and more often than two workers calculate such values.
const HUGE_INTERVAL: Duration = Duration::from_millis(10);
/// The same after one that was stored but not queued.
const STORED_HUGE_INTERVAL: Duration = Duration::from_millis(500);
/// Lowest index of [`Load::submit_huge`].
const FIRST_HUGE: u32 = 9_000_000;

/// Lowest index of [`Load::recovery_time`]. The indices below are submitted repeatedly.
const FIRST_PROBE: u32 = 2_000;
/// From this index on, each new submission has the next higher index.
const FIRST_NEW: u32 = 10_000;

/// Random large indices.
const LARGE: Range<u32> = 100_000..200_000;

/// What the clients of the edge have observed.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    pub requests: usize,
    /// The row id and the index of each acknowledged submission.
    pub acknowledged: Vec<(i64, u32)>,
    /// Submissions that were refused with 503.
    pub refused: usize,
    /// The part of `refused` with a small index. A large index may be refused at any time, because
    /// [`Load::submit_huge`] uses up the queue's capacity for large jobs.
    pub small_refused: usize,
    /// Other failures, by status or by the error of the connection.
    pub failures: BTreeMap<String, usize>,
    /// By index: submissions without an acknowledgement. Each may be stored or not.
    pub unacknowledged: HashMap<u32, usize>,
    pub wrong_values: Vec<String>,
    pub lists_read: usize,
    pub events_read: usize,
}

pub(crate) struct Load {
    url: String,
    http: Client,
    random: Mutex<fastrand::Rng>,
    next_new: AtomicU32,
    next_probe: AtomicU32,
    submitted_large: AtomicU32,
    observed: Mutex<Observations>,
}

impl Load {
    pub(crate) fn new(url: &str, seed: u64) -> Result<Self> {
        let http = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT);
        Ok(Self {
            url: url.to_owned(),
            http: http.pool_idle_timeout(POOL_IDLE_TIMEOUT).build()?,
            random: Mutex::new(fastrand::Rng::with_seed(!seed)),
            next_new: AtomicU32::new(FIRST_NEW),
            next_probe: AtomicU32::new(FIRST_PROBE),
            submitted_large: AtomicU32::default(),
            observed: Mutex::default(),
        })
    }

    pub(crate) fn observed(&self) -> MutexGuard<'_, Observations> {
        lock(&self.observed)
    }

    /// Submits `rate` indices per second until `stop` is cancelled, and waits for the last
    /// responses. At most `max_open` requests are open at a time; at that limit the rate drops.
    pub(crate) async fn submit(self: Arc<Self>, rate: u32, max_open: u32, stop: CancellationToken) {
        let open = Arc::new(Semaphore::new(max_open as usize));
        let mut ticks = interval(SUBMIT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (start, mut sent) = (Instant::now(), 0_u64);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            while sent < due {
                let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return };
                let (load, index) = (Arc::clone(&self), self.next_index());
                tokio::spawn(async move {
                    load.post(index).await;
                    drop(permit);
                });
                sent += 1;
            }
        }
        let _ = open.acquire_many(max_open).await;
    }

    /// Submits new huge indices, one after the other, until `stop` is cancelled, so that the
    /// queue's share of large jobs is full. It submits fewer while Redis is unavailable, because
    /// those have to be calculated in addition to a full queue.
    pub(crate) async fn submit_huge(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(HUGE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for index in FIRST_HUGE.. {
            if stop.run_until_cancelled(ticks.tick()).await.is_none() {
                return;
            }
            if self.post(index).await == Some(SubmissionState::Stored) {
                ticks.reset_after(STORED_HUGE_INTERVAL);
            }
        }
    }

    /// Mostly repeated indices; a third are new, and 4 of 1,000 are large.
    fn next_index(&self) -> u32 {
        let mut random = lock(&self.random);
        match random.u32(..1_000) {
            0..4 => random.u32(LARGE),
            4..334 => self.next_new.fetch_add(1, Ordering::Relaxed),
            _ => random.u32(..FIRST_PROBE),
        }
    }

    /// Submits an index. Returns its state, or `None` if it was not acknowledged.
    pub(crate) async fn post(&self, index: u32) -> Option<SubmissionState> {
        self.observed().requests += 1;
        let body = json!({ "index": index });
        let response = self.http.post(format!("{}/api/values", self.url)).json(&body).send().await;
        let failure = match response {
            Ok(response) if response.status() == StatusCode::OK => {
                if let Ok(submitted) = response.json::<SubmitResponse>().await {
                    self.observed().acknowledged.push((submitted.id, index));
                    if let Some(value) = submitted.value {
                        self.check(index, &value);
                    }
                    return Some(submitted.state);
                }
                None
            }
            Ok(response) => Some(response.status().to_string()),
            Err(error) if error.is_connect() => Some("no connection".to_owned()),
            Err(error) if error.is_timeout() => Some("no response in time".to_owned()),
            Err(_) => Some("the connection broke".to_owned()),
        };
        let mut observed = self.observed();
        match failure {
            Some(failure) if failure.starts_with("503") => {
                observed.refused += 1;
                observed.small_refused += usize::from(index < LARGE.start);
            }
            Some(failure) => *observed.failures.entry(failure).or_default() += 1,
            None => {}
        }
        *observed.unacknowledged.entry(index).or_default() += 1;
        None
    }

    /// Submits `count` indices from `start` on that no earlier call has submitted.
    pub(crate) async fn submit_large(&self, start: u32, count: u32) {
        let first = start + self.submitted_large.fetch_add(count, Ordering::Relaxed);
        join_all((first..first + count).map(|index| self.post(index))).await;
    }

    /// Reads the list of values until `stop` is cancelled.
    pub(crate) async fn read_lists(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(READ_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let url = format!("{}/api/values/current", self.url);
            let Ok(response) = self.http.get(url).send().await else { continue };
            let Ok(values) = response.json::<Value>().await else { continue };
            for (index, value) in values.as_object().into_iter().flatten() {
                // A problem document is an object, too.
                if let (Ok(index), Some(value)) = (index.parse(), value.as_str()) {
                    self.check(index, value);
                }
            }
            self.observed().lists_read += 1;
        }
    }

    /// Reads the event stream until `stop` is cancelled, and reconnects when it breaks.
    pub(crate) async fn read_events(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(READ_INTERVAL);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            stop.run_until_cancelled(self.read_stream()).await;
        }
    }

    /// Checks the values of one stream, until it ends.
    async fn read_stream(&self) {
        let events =
            self.http.get(format!("{}/api/events", self.url)).timeout(STREAM_TIMEOUT).send();
        let Ok(Ok(events)) = timeout(REQUEST_TIMEOUT, events).await else { return };
        let mut events = ValueEvents::new(events);
        while let Ok(Ok(Some(event))) = timeout(REQUEST_TIMEOUT, events.next()).await {
            self.observed().events_read += 1;
            self.check(event.index.get(), &event.value);
        }
    }

    fn check(&self, index: u32, value: &str) {
        if !oracle::is_correct(index, value) {
            self.observed().wrong_values.push(format!("{index}: {value}"));
        }
    }

    /// Submits a new index until it is acknowledged, and waits for its value. Returns how long both
    /// took.
    pub(crate) async fn recovery_time(&self) -> Duration {
        let start = Instant::now();
        let probe = self.next_probe.fetch_add(1, Ordering::Relaxed);
        let mut ticks = interval(PROBE_INTERVAL);
        while self.post(probe).await.is_none() {
            ticks.tick().await;
        }
        while !self.fetch(probe).await {
            ticks.tick().await;
        }
        start.elapsed()
    }

    /// Fetches all digits of an index and checks them; false if they are not available.
    pub(crate) async fn fetch(&self, index: u32) -> bool {
        let url = format!("{}/api/values/{index}", self.url);
        let Ok(response) = self.http.get(url).send().await else { return false };
        if response.status() != StatusCode::OK {
            return false;
        }
        let Ok(digits) = response.text().await else { return false };
        if !oracle::is_whole_and_correct(index, &digits) {
            self.observed().wrong_values.push(format!("{index}: {digits:.60}"));
        }
        true
    }
}
