//! The worker's side of the queue. Each worker is a consumer of the consumer group.
//!
//! A worker owns a job while it sends heartbeats for it ([`Consumer::heartbeat`]). After
//! [`Consumer::HEARTBEAT_TIMEOUT`] without one, another worker reclaims the job, or dead-letters it
//! if it was delivered [`Consumer::MAX_DELIVERIES`] times. If the first worker was only slow, both
//! complete the job, which does no harm.

use std::borrow::Cow;
use std::time::Duration;

use contract::{DeadLetterEvent, Hops, ValueEvent};
use redis::{Cmd, Value};

use crate::events::{VALUE_EVENT_END, value_event_start};
use crate::job::Entry;
use crate::keys::{
    CLOCK_TOLERANCE, GROUP, LIVE_WORKER_TIMEOUT, MAX_CURRENT_VALUES, MAX_DEAD_LETTERS,
    RESULTS_CHANNEL, WHOLE_VALUE_PREFIX, WHOLE_VALUE_TTL, WORKERS, whole_value,
};
use crate::packed::Packed;
use crate::{
    CompletedJob, Connection, Job, JobClass, QueueError, QueueEvent, RedisClient, scripts,
};

/// A worker without a heartbeat for this long is removed from `workers` and from the group.
const WORKER_EXPIRY: Duration = Duration::from_secs(60);
/// New idle time of the jobs of a worker that deregisters, far beyond the heartbeat timeout.
const DEREGISTERED_IDLE_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// A longer time without a heartbeat of any worker is an outage. Workers send two a second.
const MAX_HEARTBEAT_GAP: Duration = Duration::from_secs(1);
/// Longer values are stored packed, and without the script, which would copy them several times.
const MAX_TEXT_DIGITS: usize = 64 * 1024;
/// `enqueue.lua` reads values of up to `MAX_WHOLE_DIGITS` bytes as text, so packed ones must be
/// longer.
const _: () = assert!(MAX_TEXT_DIGITS >= 2 * contract::MAX_WHOLE_DIGITS);
/// Jobs per reclaim. If one of several killed its worker, that would count as a delivery of all.
const MAX_RECLAIMED_JOBS: usize = 1;
/// Fields of a job that its dead letter keeps.
const MAX_DEAD_LETTER_FIELDS: usize = 16;
/// Bytes of each name and value of these fields that it keeps.
const MAX_DEAD_LETTER_FIELD_BYTES: usize = 256;

/// A consumer of the group. Cheap to clone.
#[derive(Clone)]
pub struct Consumer {
    redis: RedisClient,
    name: String,
}

/// What [`Consumer::reclaim`] did.
#[derive(Clone, Debug, Default)]
pub struct ReclaimOutcome {
    /// Jobs that this worker now owns.
    pub claimed: Vec<Job>,
    /// Jobs that are now dead letters.
    pub dead_lettered: Vec<Job>,
}

impl Consumer {
    /// A job without a heartbeat for this long is reclaimed. Workers send two a second.
    pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
    /// A job is delivered this often: once, and again after each worker that died on it.
    pub const MAX_DELIVERIES: usize = 3;

    /// `name` must be unique among live workers.
    #[must_use]
    pub fn new(redis: RedisClient, name: String) -> Self {
        Self { redis, name }
    }

    /// The name that is unique among live workers.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates each stream and its group, unless they exist. A new group delivers the jobs that its
    /// stream holds already.
    pub async fn create_groups(&self, connection: &mut Connection) -> Result<(), QueueError> {
        for class in JobClass::ALL {
            let mut command = redis::cmd("XGROUP");
            command.arg("CREATE").arg(class.stream()).arg(GROUP).arg("0").arg("MKSTREAM");
            let created: Result<(), _> = command.query_async(connection).await;
            match created {
                Err(error) if error.code() == Some("BUSYGROUP") => {}
                created => created?,
            }
        }
        Ok(())
    }

    /// A dedicated connection on which [`Self::take`] may block for `block`. Its thread may be busy
    /// between two calls, because no other task waits for its replies.
    pub async fn connect(&self, block: Duration) -> Result<Connection, QueueError> {
        self.redis.dedicated(block).await
    }

    /// Takes new jobs of the first class in `preference` that has any, at most the given number of
    /// this class. If no class has any, waits up to `block`, then takes at most one of each class.
    /// Jobs that were delivered in a failed call are reclaimed like those of a dead worker.
    pub async fn take(
        &self,
        connection: &mut Connection,
        preference: [(JobClass, usize); 3],
        block: Duration,
    ) -> Result<Vec<Job>, QueueError> {
        let mut script = scripts::TAKE.prepare();
        script.arg(GROUP).arg(&self.name);
        for (class, count) in preference {
            script.arg(class.name()).arg(count);
        }
        let jobs: Vec<Entry> = script.invoke_async(connection).await?;
        if !jobs.is_empty() {
            return Ok(jobs.into_iter().map(Job::parse).collect());
        }
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(GROUP)
            .arg(&self.name)
            .arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg(millis(block));
        command
            .arg("STREAMS")
            .arg(&JobClass::ALL.map(JobClass::stream))
            .arg(&[">"; JobClass::ALL.len()]);
        let delivered: Option<Vec<(String, Vec<Entry>)>> = command.query_async(connection).await?;
        let jobs = delivered.into_iter().flatten().flat_map(|(stream, entries)| {
            let class = JobClass::of_stream(&stream);
            entries
                .into_iter()
                .map(move |(entry, fields)| Job::parse((class.job_id(&entry), fields)))
        });
        Ok(jobs.collect())
    }

    /// Stores results, publishes their events and removes their jobs from the queue. After an error
    /// the call may be repeated. If it is not, the jobs are reclaimed.
    pub async fn complete(
        &self,
        connection: &mut Connection,
        completed: &[CompletedJob],
    ) -> Result<(), QueueError> {
        if completed.is_empty() {
            return Ok(());
        }
        let mut arguments: Vec<Cow<'_, str>> = vec![
            GROUP.into(),
            MAX_CURRENT_VALUES.to_string().into(),
            WHOLE_VALUE_PREFIX.into(),
            WHOLE_VALUE_TTL.as_secs().to_string().into(),
            RESULTS_CHANNEL.into(),
            VALUE_EVENT_END.into(),
        ];
        // Long values are stored in the same transaction.
        let mut transaction = redis::pipe();
        transaction.atomic();
        for result in completed {
            let value = contract::abbreviate(&result.digits);
            let event_start = value_event_start(self.value_event(result, &value));
            let is_long = result.digits.len() > MAX_TEXT_DIGITS;
            if is_long {
                transaction.add_command(store_packed(result)).ignore();
            }
            let whole_value = if is_long { "" } else { &result.digits };
            arguments.extend([
                Cow::from(&result.job.id),
                result.index.get().to_string().into(),
                value,
                whole_value.into(),
                event_start.into(),
            ]);
        }
        scripts::complete(transaction, arguments, connection).await
    }

    /// Sends a heartbeat for this worker and for its `jobs`, given by id. Returns whether this
    /// worker is the leader: the live worker whose name sorts first.
    pub async fn heartbeat(&self, jobs: &[String]) -> Result<bool, QueueError> {
        let mut script = scripts::HEARTBEAT.prepare();
        script
            .arg(GROUP)
            .arg(&self.name)
            .arg(LIVE_WORKER_TIMEOUT.as_secs())
            .arg(CLOCK_TOLERANCE.as_secs())
            .arg(WORKER_EXPIRY.as_secs())
            .arg(millis(MAX_HEARTBEAT_GAP))
            .arg(jobs);
        Ok(script.invoke_async(&mut self.redis.shared()).await?)
    }

    /// Claims a job that had no heartbeat for `min_idle`. If it was delivered
    /// [`Self::MAX_DELIVERIES`] times, dead-letters it and publishes an event instead.
    pub async fn reclaim(
        &self,
        connection: &mut Connection,
        min_idle: Duration,
    ) -> Result<ReclaimOutcome, QueueError> {
        let mut script = scripts::RECLAIM.prepare();
        script
            .arg(GROUP)
            .arg(&self.name)
            .arg(millis(min_idle))
            .arg(millis(MAX_HEARTBEAT_GAP))
            .arg(Self::MAX_DELIVERIES)
            .arg(MAX_RECLAIMED_JOBS)
            .arg(MAX_DEAD_LETTERS)
            .arg(MAX_DEAD_LETTER_FIELDS)
            .arg(MAX_DEAD_LETTER_FIELD_BYTES);
        let (claimed, dead_lettered): (Vec<Entry>, Vec<Entry>) =
            script.invoke_async(connection).await?;
        let parse = |entries: Vec<Entry>| entries.into_iter().map(Job::parse).collect();
        let outcome =
            ReclaimOutcome { claimed: parse(claimed), dead_lettered: parse(dead_lettered) };
        publish_dead_letters(connection, &outcome.dead_lettered).await?;
        Ok(outcome)
    }

    /// Releases `jobs`, given by id, whose results cannot be stored. They are reclaimed after
    /// [`Self::HEARTBEAT_TIMEOUT`], and this delivery does not count.
    pub async fn release(&self, jobs: &[String]) -> Result<(), QueueError> {
        self.release_with_idle_time(jobs, Duration::ZERO).await
    }

    /// Deregisters this worker and releases its unfinished `jobs`, given by id. Other workers may
    /// reclaim them at once; if this call fails, after [`Self::HEARTBEAT_TIMEOUT`].
    pub async fn deregister(&self, jobs: &[String]) -> Result<(), QueueError> {
        self.release_with_idle_time(jobs, DEREGISTERED_IDLE_TIME).await?;
        let mut remove = redis::cmd("ZREM");
        remove.arg(WORKERS).arg(&self.name);
        Ok(remove.query_async(&mut self.redis.shared()).await?)
    }

    async fn release_with_idle_time(
        &self,
        jobs: &[String],
        idle: Duration,
    ) -> Result<(), QueueError> {
        let mut script = scripts::RELEASE.prepare();
        script.arg(GROUP).arg(&self.name).arg(millis(idle)).arg(jobs);
        Ok(script.invoke_async(&mut self.redis.shared()).await?)
    }

    /// Waits while the last check of [`RedisClient::poll_health`] has failed.
    pub async fn until_writable(&self) {
        self.redis.until_writable().await;
    }

    fn value_event(&self, completed: &CompletedJob, value: &str) -> ValueEvent {
        ValueEvent {
            index: completed.index,
            value: value.to_owned(),
            digits: completed.digits.len(),
            request_id: completed.job.request_id.clone(),
            worker: self.name.clone(),
            hops: Hops { computed: completed.computed, ..completed.job.hops },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn store_packed(result: &CompletedJob) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(whole_value(result.index))
        .arg(Packed(&result.digits))
        .arg("EX")
        .arg(WHOLE_VALUE_TTL.as_secs());
    set
}

async fn publish_dead_letters(connection: &mut Connection, jobs: &[Job]) -> Result<(), QueueError> {
    for job in jobs {
        if let Some(index) = job.index {
            let event = DeadLetterEvent { index, request_id: job.request_id.clone() };
            let message = QueueEvent::DeadLettered(event).to_json();
            let _subscribers: Value = redis::cmd("PUBLISH")
                .arg(RESULTS_CHANNEL)
                .arg(message)
                .query_async(connection)
                .await?;
        }
    }
    Ok(())
}
