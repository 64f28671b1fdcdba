//! What one `up` tells `status`, `down` and the next `up`: a lock that it holds as long as it lives, which the
//! system releases however it ends, and a file that says what it runs. The file counts only while the lock is held.
//!
//! It starts and stops nothing.

use std::{
    fs::{self, File, TryLockError},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use stack::wait_until;

use crate::workspace::Workspace;

/// Who looks whether the lock is free holds it for a moment, and an `up` that starts has no state for another.
const MOMENT: Duration = Duration::from_millis(500);

/// What the running `up` says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct State {
    /// Its process id.
    pub(crate) pid: u32,
    /// The port of the edge.
    pub(crate) port: u16,
    /// Whether every service became healthy.
    pub(crate) ready: bool,
    /// What it runs, in the order of starting; empty during the set-up.
    pub(crate) services: Vec<ServiceState>,
}

/// One service of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct ServiceState {
    /// Its name.
    pub(crate) name: String,
    /// Its process id, while it runs.
    pub(crate) pid: Option<u32>,
    /// Where it listens.
    pub(crate) address: String,
    /// Where it says whether it is healthy; see [`stack::answers`].
    pub(crate) health: String,
}

impl State {
    /// The address of the page.
    pub(crate) fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

/// The right to run the system of this checkout.
pub(crate) struct Lock {
    workspace: Workspace,
    _file: File,
    /// Whether the `up` before was killed; what it ran may still be about to end.
    pub(crate) after_a_kill: bool,
}

impl Lock {
    /// Takes the right, or `None` when another `up` has it.
    pub(crate) fn take(workspace: &Workspace) -> Result<Option<Self>> {
        fs::create_dir_all(workspace.data()).context("creating the folder .data")?;
        let file = lock_file(workspace)?;
        let mut outcome = Err(TryLockError::WouldBlock);
        let _ = wait_until("nobody else looks at the lock", MOMENT, || {
            outcome = file.try_lock();
            !matches!(outcome, Err(TryLockError::WouldBlock))
        });
        match outcome {
            Ok(()) => {
                let after_a_kill = path(workspace).exists();
                Ok(Some(Self { workspace: workspace.clone(), _file: file, after_a_kill }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).context("locking up.lock"),
        }
    }

    /// Whether no `up` has it.
    pub(crate) fn is_free(workspace: &Workspace) -> Result<bool> {
        match lock_file(workspace)?.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e).context("locking up.lock"),
        }
    }

    /// Writes the state, whole or not at all.
    pub(crate) fn write(&self, state: &State) -> Result<()> {
        let fresh = self.workspace.data().join("state.json.new");
        fs::write(&fresh, serde_json::to_string_pretty(state)?).context("writing the state")?;
        fs::rename(fresh, path(&self.workspace)).context("writing the state")
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Without the lock it counts for nothing anyway.
        let _ = fs::remove_file(path(&self.workspace));
    }
}

/// What the running `up` says; `None` when none runs.
pub(crate) fn read(workspace: &Workspace) -> Result<Option<State>> {
    // One that has just taken the lock has not written yet, one that is just leaving writes no more.
    let mut found = None;
    let _ = wait_until("`up` has said what it runs", MOMENT, || {
        let state = || match Lock::is_free(workspace)? {
            true => Ok(None),
            false => {
                let text = fs::read_to_string(path(workspace)).context("reading the state")?;
                serde_json::from_str(&text).context("reading the state").map(Some)
            }
        };
        let state: Result<Option<State>> = state();
        let is_known = state.is_ok();
        found = Some(state);
        is_known
    });
    found.unwrap_or_else(|| Err(anyhow!("`up` does not say what it runs")))
}

fn lock_file(workspace: &Workspace) -> Result<File> {
    fs::create_dir_all(workspace.data()).context("creating the folder of the data")?;
    let path = workspace.data().join("up.lock");
    let file = File::options().create(true).append(true).open(&path);
    file.with_context(|| format!("opening {}", path.display()))
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.data().join("state.json")
}
