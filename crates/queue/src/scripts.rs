//! The Lua scripts (`scripts/*.lua`), each with its keys in place.
//!
//! `redis::Script` sends a script by its hash. If Redis does not know it (first use, restart,
//! flush), it loads the script and repeats the call.

use std::borrow::Cow;
use std::sync::LazyLock;

use redis::{Pipeline, Script, ScriptInvocation};

use crate::keys::{DEAD, DEAD_INDICES, JOBS, QUEUED, RECENT, VALUES, WORKERS};
use crate::{Connection, QueueError};

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $name))))
    };
}

static ENQUEUE: LazyLock<Script> = script!("enqueue.lua");
static COMPLETE: LazyLock<Script> = script!("complete.lua");
static RECLAIM: LazyLock<Script> = script!("reclaim.lua");
static HEARTBEAT: LazyLock<Script> = script!("heartbeat.lua");
static DEREGISTER: LazyLock<Script> = script!("deregister.lua");
static STATS: LazyLock<Script> = script!("stats.lua");
static REPAIR: LazyLock<Script> = script!("repair.lua");

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

/// Runs `complete.lua` as the last command of `transaction`: one round trip, and when Redis refuses
/// any command (as without memory), none of them runs.
pub(crate) async fn complete(
    mut transaction: Pipeline,
    arguments: Vec<Cow<'_, str>>,
    connection: &mut Connection,
) -> Result<(), QueueError> {
    let keys = [VALUES, JOBS, QUEUED];
    if !transaction.is_empty() {
        let hash = COMPLETE.get_hash();
        transaction.cmd("EVALSHA").arg(hash).arg(keys.len()).arg(&keys).arg(&arguments).ignore();
        match transaction.query_async(connection).await {
            // The other commands have run; only the script is missing.
            Err(error) if error.code() == Some("NOSCRIPT") => {}
            outcome => return Ok(outcome?),
        }
    }
    let mut script = with_keys(&COMPLETE, &keys);
    let _queue_length: usize = script.arg(arguments).invoke_async(connection).await?;
    Ok(())
}

pub(crate) fn reclaim() -> ScriptInvocation<'static> {
    with_keys(&RECLAIM, &[JOBS, QUEUED, DEAD, DEAD_INDICES])
}

pub(crate) fn heartbeat() -> ScriptInvocation<'static> {
    with_keys(&HEARTBEAT, &[JOBS, WORKERS])
}

pub(crate) fn deregister() -> ScriptInvocation<'static> {
    with_keys(&DEREGISTER, &[JOBS, WORKERS])
}

pub(crate) fn stats() -> ScriptInvocation<'static> {
    with_keys(&STATS, &[JOBS, QUEUED, DEAD, WORKERS])
}

pub(crate) fn repair() -> ScriptInvocation<'static> {
    with_keys(&REPAIR, &[VALUES, RECENT, JOBS, QUEUED, DEAD, DEAD_INDICES, WORKERS])
}
