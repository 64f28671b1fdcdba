//! The Lua scripts, each with its keys in place.
//!
//! A script is sent by its hash and, when Redis does not know it (first use, restart, flush), loaded and sent
//! again: `redis::Script` does that.

use std::borrow::Cow;
use std::sync::LazyLock;

use redis::{Pipeline, Script, ScriptInvocation};

use crate::keys::{DEAD, DEAD_INDICES, JOBS, QUEUED, RECENT, VALUES, WORKERS};
use crate::{Connection, Error};

static ENQUEUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("enqueue.lua")));
static FINISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("finish.lua")));
static RECLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("reclaim.lua")));
static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("beat.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("leave.lua")));
static MEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("mend.lua")));
static STATS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("stats.lua")));

fn with_keys(script: &'static Script, keys: &[&str]) -> ScriptInvocation<'static> {
    let mut invocation = script.prepare_invoke();
    for key in keys {
        invocation.key(*key);
    }
    invocation
}

pub(crate) fn enqueue() -> ScriptInvocation<'static> {
    with_keys(&ENQUEUE, &[VALUES, RECENT, JOBS, QUEUED, DEAD, DEAD_INDICES])
}

/// Runs `finish` with these arguments, as the last of a transaction: one round trip, and none of it when Redis refuses any.
pub(crate) async fn finish(
    mut transaction: Pipeline,
    arguments: Vec<Cow<'_, str>>,
    connection: &mut Connection,
) -> Result<(), Error> {
    let keys = [VALUES, JOBS, QUEUED];
    if !transaction.is_empty() {
        transaction.cmd("EVALSHA").arg(FINISH.get_hash()).arg(keys.len()).arg(&keys).arg(&arguments).ignore();
        match transaction.query_async(connection).await {
            // The others have run; only the script is missing.
            Err(error) if error.code() == Some("NOSCRIPT") => {}
            outcome => return Ok(outcome?),
        }
    }
    let mut script = with_keys(&FINISH, &keys);
    let _left: usize = script.arg(arguments).invoke_async(connection).await?;
    Ok(())
}

pub(crate) fn reclaim() -> ScriptInvocation<'static> {
    with_keys(&RECLAIM, &[JOBS, QUEUED, DEAD, DEAD_INDICES])
}

pub(crate) fn beat() -> ScriptInvocation<'static> {
    with_keys(&BEAT, &[JOBS, WORKERS])
}

pub(crate) fn leave() -> ScriptInvocation<'static> {
    with_keys(&LEAVE, &[JOBS, WORKERS])
}

pub(crate) fn stats() -> ScriptInvocation<'static> {
    with_keys(&STATS, &[JOBS, QUEUED, DEAD, WORKERS])
}

pub(crate) fn mend() -> ScriptInvocation<'static> {
    with_keys(&MEND, &[VALUES, RECENT, JOBS, QUEUED, DEAD, DEAD_INDICES, WORKERS])
}
