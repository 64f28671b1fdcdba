//! Submissions at a steady rate, however they are answered, while the lists and the event stream
//! are read. The acknowledgements are recorded for `audit`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Result;
use contract::SubmitResponse;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use stack::lock;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::oracle;
use crate::ValueEvents;

/// A server answers or refuses a request sooner.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Longer than any run: an event stream has no end.
const STREAM_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Less than the 10 s after which the edge closes a connection without a request: a request sent at
/// that moment would fail.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two reads of the list, and between two event streams.
const READ_INTERVAL: Duration = Duration::from_millis(200);

const SUBMIT_INTERVAL: Duration = Duration::from_millis(5);

/// Faster than two workers calculate indices of 9 million.
const HUGE_INTERVAL: Duration = Duration::from_millis(50);
/// The first of those that keep the large class full.
const FIRST_HUGE: u32 = 9_000_000;

/// Indices below the first are submitted repeatedly, those from the second on once; those between
/// are for [`Load::recovery_time`].
const FIRST_PROBE: u32 = 2_000;
const FIRST_NEW: u32 = 10_000;

/// Large ones: milliseconds of work.
const LARGE: std::ops::Range<u32> = 100_000..200_000;

/// What a client of the edge has observed.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    pub requests: usize,
    /// Acknowledged submissions: id of the row, and index.
    pub acknowledged: Vec<(i64, u32)>,
    pub refused: usize,
    /// Those of them for small indices. Large ones are refused all the time, so only these show
    /// that the queue is full.
    pub small_refused: usize,
    /// Other failures, by status or by what became of the connection.
    pub failures: BTreeMap<String, usize>,
    /// How often an index was sent without an acknowledgement: it may be stored, or not.
    pub unanswered: HashMap<u32, usize>,
    pub wrong: Vec<String>,
    pub lists_read: usize,
    pub events_read: usize,
}

pub(crate) struct Load {
    url: String,
    http: Client,
    random: Mutex<fastrand::Rng>,
    next_new: AtomicU32,
    next_probe: AtomicU32,
    next_large: AtomicU32,
    seen: Mutex<Observations>,
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
            next_large: AtomicU32::default(),
            seen: Mutex::default(),
        })
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Observations> {
        lock(&self.seen)
    }

    /// Submits `rate` indices a second until `stop` is cancelled, and waits for the last answers.
    /// At most `max_open` are open at a time; at that bound, the rate falls behind.
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

    /// Submits ever new indices from 9 million on, one at a time, until `stop` is cancelled. This
    /// keeps the large class full.
    pub(crate) async fn submit_huge(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(HUGE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for index in FIRST_HUGE.. {
            if stop.run_until_cancelled(ticks.tick()).await.is_none() {
                return;
            }
            self.post(index).await;
        }
    }

    /// Mostly repeated ones; a third is new, and a few are large.
    fn next_index(&self) -> u32 {
        let mut random = lock(&self.random);
        match random.u32(..1_000) {
            0..4 => random.u32(LARGE),
            4..334 => self.next_new.fetch_add(1, Ordering::Relaxed),
            _ => random.u32(..FIRST_PROBE),
        }
    }

    /// Submits an index; whether it was acknowledged.
    pub(crate) async fn post(&self, index: u32) -> bool {
        self.seen().requests += 1;
        let body = json!({ "index": index });
        let answer = self.http.post(format!("{}/api/values", self.url)).json(&body).send().await;
        let failure = match answer {
            Ok(answer) if answer.status() == StatusCode::OK => {
                if let Ok(submitted) = answer.json::<SubmitResponse>().await {
                    self.seen().acknowledged.push((submitted.id, index));
                    if let Some(value) = submitted.value {
                        self.check(index, &value);
                    }
                    return true;
                }
                None
            }
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) if error.is_connect() => Some("no connection".to_owned()),
            Err(error) if error.is_timeout() => Some("no answer in time".to_owned()),
            Err(_) => Some("the connection broke".to_owned()),
        };
        let mut seen = self.seen();
        match failure {
            Some(failure) if failure.starts_with("503") => {
                seen.refused += 1;
                seen.small_refused += usize::from(index < LARGE.start);
            }
            Some(failure) => *seen.failures.entry(failure).or_default() += 1,
            None => {}
        }
        *seen.unanswered.entry(index).or_default() += 1;
        false
    }

    /// Submits `count` new indices, the first at least `from`.
    pub(crate) async fn submit_new(&self, from: u32, count: u32) {
        let first = from + self.next_large.fetch_add(count, Ordering::Relaxed);
        join_all((first..first + count).map(|index| self.post(index))).await;
    }

    /// Reads the list of values until `stop` is cancelled.
    pub(crate) async fn read_lists(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(READ_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let Ok(answer) = self.http.get(format!("{}/api/values/current", self.url)).send().await
            else {
                continue;
            };
            let Ok(values) = answer.json::<Value>().await else { continue };
            for (index, value) in values.as_object().into_iter().flatten() {
                // Problem documents are objects too.
                if let (Ok(index), Some(value)) = (index.parse(), value.as_str()) {
                    self.check(index, value);
                }
            }
            self.seen().lists_read += 1;
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
            self.seen().events_read += 1;
            self.check(event.index.get(), &event.value);
        }
    }

    fn check(&self, index: u32, value: &str) {
        if !oracle::is_right(index, value) {
            self.seen().wrong.push(format!("{index}: {value}"));
        }
    }

    /// The time until a new index, submitted repeatedly, is acknowledged and has its value.
    pub(crate) async fn recovery_time(&self) -> Duration {
        let start = Instant::now();
        let probe = self.next_probe.fetch_add(1, Ordering::Relaxed);
        let mut ticks = interval(Duration::from_millis(20));
        while !self.post(probe).await {
            ticks.tick().await;
        }
        while !self.fetch(probe).await {
            ticks.tick().await;
        }
        start.elapsed()
    }

    /// Fetches all digits of an index and checks them; false when it has none yet.
    pub(crate) async fn fetch(&self, index: u32) -> bool {
        let Ok(answer) = self.http.get(format!("{}/api/values/{index}", self.url)).send().await
        else {
            return false;
        };
        if answer.status() != StatusCode::OK {
            return false;
        }
        let Ok(text) = answer.text().await else { return false };
        if !oracle::is_whole(index, &text) {
            self.seen().wrong.push(format!("{index}: {text:.60}"));
        }
        true
    }
}
