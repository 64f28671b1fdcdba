//! The Lua scripts (`scripts/*.lua`) with their keys.
//!
//! `redis::Script` sends only the hash of a script. If Redis replies that it has no such script
//! (first use, restart, flush), `redis::Script` loads the script and repeats the call.

use std::borrow::Cow;
use std::sync::OnceLock;

use redis::{Pipeline, Script, ScriptInvocation};

use crate::keys::{
    DEAD_LETTER_INDICES, DEAD_LETTERS, HEALTH, LARGE_JOBS, LAST_HEARTBEAT, QUEUED_INDICES,
    RECENT_INDICES, REPAIR_JOBS, SMALL_JOBS, VALUES, WORKERS,
};
use crate::{Connection, QueueError};

/// A script that works on jobs: `jobs.lua` is prepended, and the first keys are the streams.
macro_rules! jobs_script {
    ([$($file:literal),+], [$($key:expr),*]) => {
        KeyedScript::new(
            concat!(
                include_str!("scripts/jobs.lua"),
                $(include_str!(concat!("scripts/", $file))),+
            ),
            &[SMALL_JOBS, LARGE_JOBS, REPAIR_JOBS, $($key),*],
        )
    };
}

pub(crate) static ENQUEUE: KeyedScript = jobs_script!(
    ["enqueue.lua"],
    [QUEUED_INDICES, DEAD_LETTERS, DEAD_LETTER_INDICES, VALUES, RECENT_INDICES]
);
pub(crate) static TAKE: KeyedScript = jobs_script!(["take.lua"], []);
static COMPLETE: KeyedScript =
    jobs_script!(["complete.lua"], [QUEUED_INDICES, DEAD_LETTERS, DEAD_LETTER_INDICES, VALUES]);
pub(crate) static RECLAIM: KeyedScript = jobs_script!(
    ["outage.lua", "reclaim.lua"],
    [QUEUED_INDICES, DEAD_LETTERS, DEAD_LETTER_INDICES, LAST_HEARTBEAT]
);
pub(crate) static HEARTBEAT: KeyedScript =
    jobs_script!(["outage.lua", "heartbeat.lua"], [WORKERS, LAST_HEARTBEAT]);
pub(crate) static RELEASE: KeyedScript = jobs_script!(["release.lua"], []);
pub(crate) static RETRY: KeyedScript =
    KeyedScript::new(include_str!("scripts/retry.lua"), &[DEAD_LETTERS, DEAD_LETTER_INDICES]);
pub(crate) static STATS: KeyedScript = jobs_script!(["stats.lua"], [DEAD_LETTERS, WORKERS, HEALTH]);
pub(crate) static UNLIST: KeyedScript =
    KeyedScript::new(include_str!("scripts/unlist.lua"), &[VALUES, RECENT_INDICES]);
pub(crate) static REPAIR: KeyedScript = jobs_script!(
    ["repair.lua"],
    [
        QUEUED_INDICES,
        DEAD_LETTERS,
        DEAD_LETTER_INDICES,
        VALUES,
        RECENT_INDICES,
        WORKERS,
        LAST_HEARTBEAT
    ]
);

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

    /// An invocation with the keys; the caller adds the arguments.
    pub(crate) fn prepare(&self) -> ScriptInvocation<'_> {
        let mut invocation = self.script().prepare_invoke();
        for key in self.keys {
            invocation.key(*key);
        }
        invocation
    }
}

/// Runs `complete.lua` as the last command of `transaction`. This takes one round trip, and if
/// Redis refuses any command (for example for lack of memory), none of them runs.
pub(crate) async fn complete(
    mut transaction: Pipeline,
    arguments: Vec<Cow<'_, str>>,
    connection: &mut Connection,
) -> Result<(), QueueError> {
    if !transaction.is_empty() {
        let (hash, keys) = (COMPLETE.script().get_hash(), COMPLETE.keys);
        transaction.cmd("EVALSHA").arg(hash).arg(keys.len()).arg(keys).arg(&arguments).ignore();
        match transaction.query_async(connection).await {
            // The other commands have run; run the script alone.
            Err(error) if error.code() == Some("NOSCRIPT") => {}
            outcome => return Ok(outcome?),
        }
    }
    Ok(COMPLETE.prepare().arg(arguments).invoke_async(connection).await?)
}
