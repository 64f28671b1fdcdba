//! What `up` and `test` run: the two binaries by cargo, the page by trunk. The page is built only when something
//! it is made of has changed, because trunk always takes its time; cargo knows that by itself.
//!
//! It starts nothing of what it builds.

use std::{
    fs::{self, File, TryLockError},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use stack::{Process, Signal};

use crate::{interrupt, progress::Step, tools::Tools, workspace::Workspace};

/// What the page is made of. rust-toolchain.toml also covers a change of the hash below between Rust's versions.
const SOURCES: [&str; 5] = ["client", "crates/contract", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// Between two looks whether another build of the page is done.
const WAIT: Duration = Duration::from_millis(100);

/// The folder of cargo's profile: `release` or `debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As fast as in production.
    Release,
    /// Built in half the time; the engine is optimised all the same.
    Debug,
}

impl Profile {
    /// Where cargo puts what it builds.
    pub(crate) fn dir(self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(if self == Self::Release { "release" } else { "debug" })
    }
}

/// Builds server and worker, and returns their folder.
pub(crate) fn binaries(step: &Step, workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    let mut args = vec!["build", "-p", "server", "-p", "worker"];
    if profile == Profile::Release {
        args.push("--release");
    }
    step.command(workspace.cargo(&args))?;
    Ok(profile.dir(workspace))
}

/// Where trunk puts the page.
pub(crate) fn page_dir(workspace: &Workspace) -> PathBuf {
    workspace.root.join("client/dist")
}

/// Whether the page is as its sources are.
pub(crate) fn page_is_fresh(workspace: &Workspace) -> Result<bool> {
    let built = fs::read_to_string(stamp(workspace)).unwrap_or_default();
    Ok(built == fingerprint(workspace)? && page_dir(workspace).join("index.html").exists())
}

/// Builds the page unless it is fresh. One at a time: two that write into the same folder would harm each other.
pub(crate) fn page(step: &Step, workspace: &Workspace, tools: &Tools) -> Result<()> {
    fs::create_dir_all(&workspace.target)?;
    let lock = File::create(workspace.target.join("client.lock")).context("creating the page's lock")?;
    while let Err(TryLockError::WouldBlock) = lock.try_lock() {
        interrupt::check()?;
        thread::sleep(WAIT);
    }
    if page_is_fresh(workspace)? {
        return Ok(());
    }
    // Taken before the build: what changes meanwhile is built next time.
    let fingerprint = fingerprint(workspace)?;
    let trunk = Process::builder("trunk", tools.program("trunk"))
        .args(["build", "--release", "--offline"])
        .dir(workspace.root.join("client"))
        .env("PATH", tools.path()?)
        // trunk reads it as an option of its own and refuses the usual value 1.
        .env_remove("NO_COLOR")
        .death_signal(Signal::TERM);
    step.command(trunk)?;
    fs::write(stamp(workspace), fingerprint).context("writing down what the page was built from")
}

fn stamp(workspace: &Workspace) -> PathBuf {
    workspace.target.join("client.stamp")
}

/// Changes when any source of the page does, by content, name or number.
fn fingerprint(workspace: &Workspace) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        hash_into(&mut hasher, &workspace.root.join(source)).with_context(|| format!("reading {source}"))?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn hash_into(hasher: &mut DefaultHasher, path: &Path) -> io::Result<()> {
    path.hash(hasher);
    if path.is_file() {
        fs::read(path)?.hash(hasher);
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    entries
        .iter()
        .filter(|entry| !entry.ends_with("client/dist"))
        .try_for_each(|entry| hash_into(hasher, entry))
}
