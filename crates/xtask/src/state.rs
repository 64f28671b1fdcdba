//! What one `up` tells `status`, `down` and the next `up`: a lock that it holds as long as it lives, which the
//! system releases however it ends, and a file that says what it runs. The file counts only while the lock is held.

use std::{
    fs::{self, File, TryLockError},
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::workspace::Workspace;

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
}

impl Lock {
    /// Takes the right, or `None` when another `up` has it.
    pub(crate) fn take(workspace: &Workspace) -> Result<Option<Self>> {
        fs::create_dir_all(workspace.data()).context("creating the folder .data")?;
        let path = workspace.data().join("up.lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { workspace: workspace.clone(), _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).context("locking .data/up.lock"),
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
    if Lock::take(workspace)?.is_some() {
        return Ok(None);
    }
    // One that has just taken the lock has not written yet, one that is just leaving writes no more.
    let text =
        fs::read_to_string(path(workspace)).context("`up` has only just started or ended: try again")?;
    serde_json::from_str(&text).context("reading .data/state.json").map(Some)
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.data().join("state.json")
}
