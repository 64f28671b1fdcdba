//! What a running `up` tells `status`, `down` and the next `up`: a lock, which the system releases
//! however it ends, and a file that lists what it runs. The file counts only while the lock is
//! held.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use stack::{Endpoint, poll};

use crate::workspace::CargoWorkspace;

/// For another check of the lock, and for an `up` that has just taken it to write the file.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct UpState {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) ready: bool,
    /// What it runs, in the order of starting; empty during the set-up.
    pub(crate) services: Vec<ServiceState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct ServiceState {
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) address: String,
    pub(crate) health: String,
}

impl From<Endpoint<'_>> for ServiceState {
    fn from(Endpoint { service, address, health }: Endpoint<'_>) -> Self {
        let pid = service.pid().filter(|_| service.exited().is_none());
        Self { name: service.name().to_owned(), pid, address, health }
    }
}

impl UpState {
    pub(crate) fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

/// The right to run the system of this checkout.
pub(crate) struct UpLock {
    workspace: CargoWorkspace,
    _file: File,
    /// Whether the previous `up` was killed; what it ran may not have ended yet.
    pub(crate) previous_was_killed: bool,
}

impl UpLock {
    /// Takes the lock; `None` when another `up` has it.
    pub(crate) fn take(workspace: &CargoWorkspace) -> Result<Option<Self>> {
        let file = lock_file(workspace)?;
        let taken = poll(SETTLE_TIMEOUT, || file.try_lock().ok());
        let previous_was_killed = path(workspace).exists();
        Ok(taken.map(|()| Self { workspace: workspace.clone(), _file: file, previous_was_killed }))
    }

    pub(crate) fn is_free(workspace: &CargoWorkspace) -> Result<bool> {
        match lock_file(workspace)?.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e).context("locking up.lock"),
        }
    }

    pub(crate) fn write(&self, state: &UpState) -> Result<()> {
        let fresh = self.workspace.data().join("state.json.new");
        fs::write(&fresh, serde_json::to_string_pretty(state)?).context("writing the state")?;
        fs::rename(fresh, path(&self.workspace)).context("writing the state")
    }
}

impl Drop for UpLock {
    fn drop(&mut self) {
        // Without the lock the file does not count.
        let _ = fs::remove_file(path(&self.workspace));
    }
}

pub(crate) fn read(workspace: &CargoWorkspace) -> Result<Option<UpState>> {
    let read = || -> Result<Option<UpState>> {
        if UpLock::is_free(workspace)? {
            return Ok(None);
        }
        let text = fs::read_to_string(path(workspace)).context("reading the state")?;
        serde_json::from_str(&text).context("reading the state").map(Some)
    };
    poll(SETTLE_TIMEOUT, || read().ok()).context("the running `up` has not written its state")
}

fn lock_file(workspace: &CargoWorkspace) -> Result<File> {
    fs::create_dir_all(workspace.data()).context("creating the folder of the data")?;
    let path = workspace.data().join("up.lock");
    let file = File::options().create(true).append(true).open(&path);
    file.with_context(|| format!("opening {}", path.display()))
}

fn path(workspace: &CargoWorkspace) -> PathBuf {
    workspace.data().join("state.json")
}
