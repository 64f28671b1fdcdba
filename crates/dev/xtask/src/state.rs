//! The state of a running `up`, for `status`, `down` and the next `up`: a lock, which the kernel
//! releases however the process ends, and a file that lists its services. The file is valid only
//! while the lock is held. `stop` creates a marker file for a service, `start` deletes it; `up`
//! polls them.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use stack::{Endpoint, poll};

use crate::workspace::CargoWorkspace;

/// Time for another process to check the lock, or for an `up` with the lock to write the file.
const STATE_TIMEOUT: Duration = Duration::from_millis(500);

/// Folder of the marker files, in the folder of the data.
const STOPPED_DIR: &str = "stopped";

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct UpState {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) ready: bool,
    /// In the order of starting; empty during the set-up.
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

/// The lock that an `up` holds, so that each checkout runs one system.
pub(crate) struct UpLock {
    workspace: CargoWorkspace,
    _file: File,
    /// Whether the previous `up` was killed. Its services may still be running.
    pub(crate) previous_was_killed: bool,
}

impl UpLock {
    /// Takes the lock; `None` if another `up` holds it.
    pub(crate) fn take(workspace: &CargoWorkspace) -> Result<Option<Self>> {
        let file = lock_file(workspace)?;
        let taken = poll(STATE_TIMEOUT, || file.try_lock().ok());
        let previous_was_killed = state_path(workspace).exists();
        if taken.is_some() {
            // Ignores errors: usually there is no such folder.
            let _ = fs::remove_dir_all(workspace.data().join(STOPPED_DIR));
        }
        Ok(taken.map(|()| Self { workspace: workspace.clone(), _file: file, previous_was_killed }))
    }

    /// Whether `cargo xtask stop` has stopped this service.
    pub(crate) fn is_stopped(&self, service: &str) -> bool {
        stop_marker(&self.workspace, service).exists()
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
        fs::rename(fresh, state_path(&self.workspace)).context("writing the state")
    }
}

impl Drop for UpLock {
    fn drop(&mut self) {
        // Ignores errors: without the lock, the file is invalid.
        let _ = fs::remove_file(state_path(&self.workspace));
    }
}

/// The state of the running `up`; `None` if there is none.
pub(crate) fn read(workspace: &CargoWorkspace) -> Result<Option<UpState>> {
    let read = || -> Result<Option<UpState>> {
        if UpLock::is_free(workspace)? {
            return Ok(None);
        }
        let text = fs::read_to_string(state_path(workspace)).context("reading the state")?;
        serde_json::from_str(&text).context("reading the state").map(Some)
    };
    poll(STATE_TIMEOUT, || read().ok()).context("the running `up` has not written its state")
}

/// While this file exists, `up` keeps the service stopped.
pub(crate) fn stop_marker(workspace: &CargoWorkspace, service: &str) -> PathBuf {
    workspace.data().join(STOPPED_DIR).join(service)
}

fn lock_file(workspace: &CargoWorkspace) -> Result<File> {
    fs::create_dir_all(workspace.data()).context("creating the folder of the data")?;
    let path = workspace.data().join("up.lock");
    let file = File::options().create(true).append(true).open(&path);
    file.with_context(|| format!("opening {}", path.display()))
}

fn state_path(workspace: &CargoWorkspace) -> PathBuf {
    workspace.data().join("state.json")
}
