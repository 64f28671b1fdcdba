//! The Lua scripts, each with its keys in place.
//!
//! A script is sent by its hash and, when Redis does not know it (first use, restart, flush), loaded and sent
//! again: `redis::Script` does that.

use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};

use crate::keys::{DEAD, DEAD_INDICES, JOBS, QUEUED, RECENT, VALUES, WORKERS};

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

pub(crate) fn finish() -> ScriptInvocation<'static> {
    with_keys(&FINISH, &[VALUES, JOBS, QUEUED])
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
