//! Submissions at a steady rate, whatever becomes of them, and a look at the values all the while. What was answered is kept:
//! it is what the accounts are compared with.
//!
//! Whether anything was lost is not decided here.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::judge;

/// Submissions that are not answered yet at most: beyond them the rate falls behind, as that of real clients would.
const OPEN: usize = 2_000;

/// For one request; a server answers or refuses sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// An event stream goes on for longer than any run.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Time between two looks at the values.
const LOOK: Duration = Duration::from_millis(200);

/// Time between two groups of submissions.
const TICK: Duration = Duration::from_millis(5);

/// Indices below the first come again and again, those from the second on come once, those between are for probes.
const KNOWN: u32 = 2_000;
const FRESH: u32 = 10_000;

/// Large ones: milliseconds of work.
const LARGE: std::ops::Range<u32> = 100_000..200_000;

/// What was submitted, and what came of it.
#[derive(Debug)]
pub(crate) struct Load {
    url: String,
    http: Client,
    random: Mutex<fastrand::Rng>,
    fresh: AtomicU32,
    probes: AtomicU32,
    large: AtomicU32,
    /// Requests sent.
    pub(crate) requests: AtomicUsize,
    /// Refused with 503.
    pub(crate) refused: AtomicUsize,
    /// What else came instead of an acknowledgement, and how often.
    pub(crate) failures: Mutex<BTreeMap<String, usize>>,
    /// Values that were wrong, with what they were.
    pub(crate) wrong: Mutex<Vec<String>>,
    /// Looks at the values.
    pub(crate) looks: AtomicUsize,
    /// Values that an event stream told.
    pub(crate) heard: AtomicUsize,
    /// Acknowledged: row and index.
    pub(crate) acknowledged: Mutex<Vec<(i64, u32)>>,
    /// How often an index was sent without an acknowledgement: it may be stored, or not.
    pub(crate) unanswered: Mutex<HashMap<u32, usize>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    pub(crate) fn new(url: &str, seed: u64) -> Result<Self> {
        Ok(Self {
            url: url.to_owned(),
            http: Client::builder().no_proxy().timeout(PATIENCE).build()?,
            random: Mutex::new(fastrand::Rng::with_seed(!seed)),
            fresh: AtomicU32::new(FRESH),
            probes: AtomicU32::new(KNOWN),
            large: AtomicU32::default(),
            requests: AtomicUsize::default(),
            refused: AtomicUsize::default(),
            failures: Mutex::default(),
            wrong: Mutex::default(),
            looks: AtomicUsize::default(),
            heard: AtomicUsize::default(),
            acknowledged: Mutex::default(),
            unanswered: Mutex::default(),
        })
    }

    /// Submits `rate` indices a second until it is over, and waits for the last answers.
    pub(crate) async fn submit(self: Arc<Self>, rate: u32, over: CancellationToken) {
        let open = Arc::new(Semaphore::new(OPEN));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (start, mut sent) = (Instant::now(), 0_u64);
        while over.run_until_cancelled(ticks.tick()).await.is_some() {
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            while sent < due {
                let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return };
                let (load, index) = (Arc::clone(&self), self.index());
                tokio::spawn(async move {
                    load.post(index).await;
                    drop(permit);
                });
                sent += 1;
            }
        }
        let _ = open.acquire_many(u32::try_from(OPEN).unwrap_or(u32::MAX)).await;
    }

    /// Known ones mostly, every third one new, and a large one now and then.
    fn index(&self) -> u32 {
        let mut random = lock(&self.random);
        match random.u32(..1_000) {
            0..4 => random.u32(LARGE),
            4..334 => self.fresh.fetch_add(1, Ordering::Relaxed),
            _ => random.u32(..KNOWN),
        }
    }

    /// Submits an index; whether it was acknowledged.
    pub(crate) async fn post(&self, index: u32) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "index": index });
        let answer = self.http.post(format!("{}/api/values", self.url)).json(&body).send().await;
        match &answer {
            Ok(answer) if answer.status() == StatusCode::OK => {}
            Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => self.note(answer.status().to_string()),
            Err(error) if error.is_connect() => self.note("no connection".to_owned()),
            Err(error) if error.is_timeout() => self.note("no answer in time".to_owned()),
            Err(_) => self.note("the connection broke".to_owned()),
        }
        let Some(row) = acknowledged(answer).await else {
            *lock(&self.unanswered).entry(index).or_default() += 1;
            return false;
        };
        lock(&self.acknowledged).push((row["id"].as_i64().unwrap_or(-1), index));
        if let Some(value) = row["value"].as_str() {
            self.judge(index, value);
        }
        true
    }

    /// Submits `count` indices from `size` on that nobody submitted before.
    pub(crate) async fn work(&self, size: u32, count: u32) {
        let first = size + self.large.fetch_add(count, Ordering::Relaxed);
        join_all((first..first + count).map(|index| self.post(index))).await;
    }

    /// Looks at the list of values until it is over.
    pub(crate) async fn watch(self: Arc<Self>, over: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while over.run_until_cancelled(looks.tick()).await.is_some() {
            let Ok(answer) = self.http.get(format!("{}/api/values/current", self.url)).send().await else {
                continue;
            };
            let Ok(values) = answer.json::<Value>().await else { continue };
            for (index, value) in values.as_object().into_iter().flatten() {
                // Problem documents are objects too.
                if let (Ok(index), Some(value)) = (index.parse(), value.as_str()) {
                    self.judge(index, value);
                }
            }
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Listens to what open pages hear until it is over, from the beginning again whenever the stream breaks.
    pub(crate) async fn listen(self: Arc<Self>, over: CancellationToken) {
        let mut pauses = interval(LOOK);
        while over.run_until_cancelled(pauses.tick()).await.is_some() {
            over.run_until_cancelled(self.hear()).await;
        }
    }

    /// Judges the values of one stream, until it ends.
    async fn hear(&self) {
        // No bound for the whole answer, as it has no end; a server that is frozen is not waited for longer than for others.
        let events = self.http.get(format!("{}/api/events", self.url)).timeout(FOREVER).send();
        let Ok(Ok(mut events)) = tokio::time::timeout(PATIENCE, events).await else { return };
        let mut text = Vec::new();
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout(PATIENCE, events.chunk()).await {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.windows(2).position(|end| end == b"\n\n") {
                let block: Vec<u8> = text.drain(..end + 2).collect();
                if let Some((index, value)) = value_in(&block) {
                    self.heard.fetch_add(1, Ordering::Relaxed);
                    self.judge(index, &value);
                }
            }
        }
    }

    fn note(&self, failure: String) {
        *lock(&self.failures).entry(failure).or_default() += 1;
    }

    fn judge(&self, index: u32, value: &str) {
        if !judge::is_right(index, value) {
            lock(&self.wrong).push(format!("{index}: {value}"));
        }
    }

    /// Submits an index that nobody submitted before, again and again until it is taken, and waits for its value: the time from
    /// now until then.
    pub(crate) async fn recovery(&self) -> Duration {
        let start = Instant::now();
        let probe = self.probes.fetch_add(1, Ordering::Relaxed);
        let mut pauses = interval(Duration::from_millis(20));
        while !self.post(probe).await {
            pauses.tick().await;
        }
        while !self.whole(probe).await {
            pauses.tick().await;
        }
        start.elapsed()
    }

    /// Whether the whole value of an index is there; a wrong one is noted.
    pub(crate) async fn whole(&self, index: u32) -> bool {
        let Ok(answer) = self.http.get(format!("{}/api/values/{index}", self.url)).send().await else {
            return false;
        };
        if answer.status() != StatusCode::OK {
            return false;
        }
        let Ok(text) = answer.text().await else { return false };
        if !judge::is_whole(index, &text) {
            lock(&self.wrong).push(format!("{index}: {text:.60}"));
        }
        true
    }
}

/// The index and the value that a block of the event stream carries, if it does.
fn value_in(block: &[u8]) -> Option<(u32, String)> {
    let data = str::from_utf8(block).ok()?.strip_prefix("event: value\ndata: ")?;
    let data: Value = serde_json::from_str(data.trim_end()).ok()?;
    Some((data["index"].as_u64()?.try_into().ok()?, data["value"].as_str()?.to_owned()))
}

/// The answer's body, if it is an acknowledgement.
async fn acknowledged(answer: reqwest::Result<Response>) -> Option<Value> {
    let answer = answer.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    answer.json().await.ok()
}
