//! Taking jobs out of the queue, as one member of the consumer group.
//!
//! A job belongs to the worker that took it for as long as the worker gives signs of life for it ([`Consumer::beat`]).
//! Whoever finds it silent for [`Consumer::SILENCE`] takes it over; a job taken [`Consumer::DELIVERIES`] times in
//! vain becomes a dead letter. Finishing is one script and may run twice for the same job.
//!
//! What a job's calculation is, and how many run at once, is the worker's business.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use contract::{Hops, Index, ValueEvent};
use redis::{Cmd, Value};

use crate::keys::{CURRENT_VALUES, DEAD_LETTERS, GROUP, JOBS, RESULTS, WHOLE_TTL, whole};
use crate::packed::Packed;
use crate::{Connection, Error, Event, Redis, now_micros, scripts};

/// Seconds after which a silent worker is forgotten altogether.
const FORGET: u64 = 60;
/// Bytes of a field of ours at most: nothing longer goes into logs and events.
const FIELD: usize = 64;
/// Digits beyond which a value is packed, and does not go through the script, which would copy it several times.
const LONG: usize = 64 * 1024;
/// Packed, it is longer than what lists show whole: `enqueue.lua` goes by that.
const _: () = assert!(LONG >= 2 * contract::WHOLE_DIGITS);
/// Jobs taken over in one go: one, so that a job that kills its worker does not take others with it.
const RECLAIM_AT_MOST: usize = 1;

/// One member of the group that works on the queue. Cheap to clone.
#[derive(Clone)]
pub struct Consumer {
    redis: Redis,
    /// This worker's name; no other live worker has it.
    name: String,
}

/// A job that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its entry in the stream.
    pub entry: String,
    /// The index to calculate; an entry without a readable one is `None`, and can only be given up.
    pub index: Option<Index>,
    /// The request it came from.
    pub request_id: String,
    /// When it passed which part so far.
    pub hops: Hops,
}

/// A job that was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The job.
    pub job: Job,
    /// The index that was calculated.
    pub index: Index,
    /// All decimal digits of F(index), checked.
    pub digits: String,
    /// When they were there, in µs since the Unix epoch.
    pub computed: u64,
}

/// What [`Consumer::reclaim`] found.
#[derive(Clone, Debug, Default)]
pub struct Reclaimed {
    /// Jobs taken over: this worker's now.
    pub taken: Vec<Job>,
    /// Jobs given up: dead letters now.
    pub buried: Vec<Job>,
}

/// As bytes: one that is not text is its own trouble, not that of all that were read with it.
type Entry = (String, HashMap<Vec<u8>, Vec<u8>>);

impl Consumer {
    /// A job whose worker gave no sign of life for this long is taken over. Workers beat every second.
    pub const SILENCE: Duration = Duration::from_secs(3);
    /// A job is tried this often: once, and twice more after workers that died on it.
    pub const DELIVERIES: usize = 3;

    /// The worker called `name`.
    #[must_use]
    pub fn new(redis: Redis, name: String) -> Self {
        Self { redis, name }
    }

    /// This worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the stream and the group unless they are there. Jobs that are in the stream already are delivered.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn create_group(&self, connection: &mut Connection) -> Result<(), Error> {
        let made: Result<(), _> = redis::cmd("XGROUP")
            .arg("CREATE")
            .arg(JOBS)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(connection)
            .await;
        match made {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => Ok(made?),
        }
    }

    /// A connection on which [`Self::take`] may block for `block`. What is given one uses that alone: it may be called on a
    /// thread that is kept busy between calls.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn connect(&self, block: Duration) -> Result<Connection, Error> {
        self.redis.blocking(block).await
    }

    /// Takes up to `count` jobs, waiting up to `block` for the first.
    ///
    /// # Errors
    /// [`Error::NoGroup`] when the group is gone, else [`Error`]. A job that was taken in a call that failed is
    /// redelivered like that of a dead worker.
    pub async fn take(
        &self,
        connection: &mut Connection,
        count: usize,
        block: Duration,
    ) -> Result<Vec<Job>, Error> {
        let streams: Option<Vec<(String, Vec<Entry>)>> = redis::cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(&self.name)
            .arg("COUNT")
            .arg(count)
            .arg("BLOCK")
            .arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX))
            .arg("STREAMS")
            .arg(JOBS)
            .arg(">")
            .query_async(connection)
            .await?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).map(Job::read).collect())
    }

    /// Stores results, announces them and takes their jobs out of the queue.
    ///
    /// # Errors
    /// [`Error`]; it may be repeated, and when it is not the jobs are redelivered.
    pub async fn finish(&self, connection: &mut Connection, done: &[Done]) -> Result<(), Error> {
        if done.is_empty() {
            return Ok(());
        }
        let (bound, ttl) = (CURRENT_VALUES.to_string(), WHOLE_TTL.as_secs().to_string());
        let mut arguments: Vec<Cow<'_, str>> = vec![GROUP.into(), bound.into(), ttl.into(), RESULTS.into()];
        // With what stores the digits of long values, which goes beside the script, and with it or not at all.
        let mut transaction = redis::pipe();
        transaction.atomic();
        for result in done {
            let shown = contract::abbreviate(&result.digits);
            let event = self.event(result, &shown).to_message();
            let is_long = result.digits.len() > LONG;
            if is_long {
                transaction.add_command(keep(result)).ignore();
            }
            let whole_digits = if is_long { "" } else { &result.digits };
            arguments.extend([
                Cow::from(&result.job.entry),
                result.index.get().to_string().into(),
                shown,
                whole(result.index).into(),
                whole_digits.into(),
                event.into(),
            ]);
        }
        scripts::finish(transaction, arguments, connection).await
    }

    /// A sign of life, for this worker and for the jobs it has taken and not finished.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer.
    pub async fn beat(&self, entries: &[String]) -> Result<(), Error> {
        let mut script = scripts::beat();
        script.arg(GROUP).arg(&self.name).arg(FORGET).arg(entries);
        Ok(script.invoke_async(&mut self.redis.shared()).await?)
    }

    /// Takes over jobs whose worker fell silent for `silence`, and gives up those that were tried
    /// [`Self::DELIVERIES`] times.
    ///
    /// # Errors
    /// [`Error::NoGroup`] when the group is gone, else [`Error`].
    pub async fn reclaim(&self, connection: &mut Connection, silence: Duration) -> Result<Reclaimed, Error> {
        let mut script = scripts::reclaim();
        script
            .arg(GROUP)
            .arg(&self.name)
            .arg(u64::try_from(silence.as_millis()).unwrap_or(u64::MAX))
            .arg(Self::DELIVERIES)
            .arg(RECLAIM_AT_MOST)
            .arg(DEAD_LETTERS);
        let (taken, buried): (Vec<Entry>, Vec<Entry>) = script.invoke_async(connection).await?;
        let reclaimed = Reclaimed {
            taken: taken.into_iter().map(Job::read).collect(),
            buried: buried.into_iter().map(Job::read).collect(),
        };
        announce(connection, &reclaimed.buried).await?;
        Ok(reclaimed)
    }

    /// Leaves: this worker is no longer alive, and the jobs it could not finish may be taken over at once.
    ///
    /// # Errors
    /// [`Error`] when Redis does not answer; then the jobs are taken over after [`Self::SILENCE`].
    pub async fn leave(&self, entries: &[String]) -> Result<(), Error> {
        let mut script = scripts::leave();
        script.arg(GROUP).arg(&self.name).arg(24 * 60 * 60 * 1000).arg(entries);
        Ok(script.invoke_async(&mut self.redis.shared()).await?)
    }

    fn event(&self, done: &Done, shown: &str) -> Event {
        Event::Value(ValueEvent {
            index: done.index,
            value: shown.to_owned(),
            digits: done.digits.len(),
            request_id: done.job.request_id.clone(),
            worker: self.name.clone(),
            hops: Hops { computed: done.computed, stored: 0, ..done.job.hops },
        })
    }
}

/// Keeps the digits of a long value.
fn keep(result: &Done) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(whole(result.index)).arg(Packed(&result.digits)).arg("EX").arg(WHOLE_TTL.as_secs());
    set
}

/// Tells of jobs that were given up.
async fn announce(connection: &mut Connection, buried: &[Job]) -> Result<(), Error> {
    for job in buried {
        if let Some(index) = job.index {
            let event =
                Event::DeadLettered(contract::DeadLetterEvent { index, request_id: job.request_id.clone() });
            let mut publish = redis::cmd("PUBLISH");
            let _listeners: Value =
                publish.arg(RESULTS).arg(event.to_message()).query_async(connection).await?;
        }
    }
    Ok(())
}

impl Job {
    fn read((entry, fields): Entry) -> Self {
        let field = |name: &str| {
            let text = fields.get(name.as_bytes()).and_then(|field| str::from_utf8(field).ok());
            text.filter(|text| text.len() <= FIELD).unwrap_or_default()
        };
        let time = |name: &str| field(name).parse().unwrap_or(0);
        Self {
            index: Index::parse(field("index"), Index::LARGEST).ok(),
            request_id: field("request_id").to_owned(),
            hops: Hops {
                received: time("received"),
                committed: time("committed"),
                pushed: time("pushed"),
                taken: now_micros(),
                ..Hops::default()
            },
            entry,
        }
    }
}
