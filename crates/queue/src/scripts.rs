//! The Lua scripts (`scripts/*.lua`), each with its keys in place.
//!
//! `redis::Script` sends a script by its hash. If Redis does not know it (first use, restart,
//! flush), it loads the script and repeats the call.

use std::borrow::Cow;
use std::sync::OnceLock;

use redis::{Pipeline, Script, ScriptInvocation};

use crate::keys::{
    DEAD, DEAD_INDICES, HEALTH, JOBS, LARGE_JOBS, LAST_HEARTBEAT, QUEUED, RECENT, REPAIR_JOBS,
    VALUES, WORKERS,
};
use crate::{Connection, QueueError};

/// A script that works on jobs: it begins with `jobs.lua`, and its first keys are the streams.
macro_rules! jobs_script {
    ([$($file:literal),+], [$($key:expr),*]) => {
        KeyedScript::new(
            concat!(include_str!("scripts/jobs.lua"), $(include_str!(concat!("scripts/", $file))),+),
            &[JOBS, LARGE_JOBS, REPAIR_JOBS, $($key),*],
        )
    };
}

pub(crate) static ENQUEUE: KeyedScript =
    jobs_script!(["enqueue.lua"], [QUEUED, DEAD, DEAD_INDICES, VALUES, RECENT]);
pub(crate) static TAKE: KeyedScript = jobs_script!(["take.lua"], []);
static COMPLETE: KeyedScript = jobs_script!(["complete.lua"], [QUEUED, DEAD, DEAD_INDICES, VALUES]);
pub(crate) static RECLAIM: KeyedScript =
    jobs_script!(["outage.lua", "reclaim.lua"], [QUEUED, DEAD, DEAD_INDICES, LAST_HEARTBEAT]);
pub(crate) static HEARTBEAT: KeyedScript =
    jobs_script!(["outage.lua", "heartbeat.lua"], [WORKERS, LAST_HEARTBEAT]);
pub(crate) static RELEASE: KeyedScript = jobs_script!(["release.lua"], []);
pub(crate) static RETRY: KeyedScript =
    KeyedScript::new(include_str!("scripts/retry.lua"), &[DEAD, DEAD_INDICES]);
pub(crate) static STATS: KeyedScript = jobs_script!(["stats.lua"], [DEAD, WORKERS, HEALTH]);
pub(crate) static UNLIST: KeyedScript =
    KeyedScript::new(include_str!("scripts/unlist.lua"), &[VALUES, RECENT]);
pub(crate) static REPAIR: KeyedScript = jobs_script!(
    ["repair.lua"],
    [QUEUED, DEAD, DEAD_INDICES, VALUES, RECENT, WORKERS, LAST_HEARTBEAT]
);

/// A script and its keys.
pub(crate) struct KeyedScript {
    text: &'static str,
    keys: &'static [&'static str],
    script: OnceLock<Script>,
}

impl KeyedScript {
    const fn new(text: &'static str, keys: &'static [&'static str]) -> Self {
        Self { text, keys, script: OnceLock::new() }
    }

    fn script(&self) -> &Script {
        self.script.get_or_init(|| Script::new(self.text))
    }

    /// An invocation that lacks only its arguments.
    pub(crate) fn prepare(&self) -> ScriptInvocation<'_> {
        let mut invocation = self.script().prepare_invoke();
        for key in self.keys {
            invocation.key(*key);
        }
        invocation
    }
}

/// Runs `complete.lua` as the last command of `transaction`: one round trip, and when Redis refuses
/// any command (as without memory), none of them runs.
pub(crate) async fn complete(
    mut transaction: Pipeline,
    arguments: Vec<Cow<'_, str>>,
    connection: &mut Connection,
) -> Result<(), QueueError> {
    if !transaction.is_empty() {
        let (hash, keys) = (COMPLETE.script().get_hash(), COMPLETE.keys);
        transaction.cmd("EVALSHA").arg(hash).arg(keys.len()).arg(keys).arg(&arguments).ignore();
        match transaction.query_async(connection).await {
            // The other commands have run; only the script is missing.
            Err(error) if error.code() == Some("NOSCRIPT") => {}
            outcome => return Ok(outcome?),
        }
    }
    Ok(COMPLETE.prepare().arg(arguments).invoke_async(connection).await?)
}
