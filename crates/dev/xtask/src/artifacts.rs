//! Builds what `up` and `test` run: the two binaries by cargo, the page by trunk. The page is built
//! only when one of its sources has changed, because trunk always takes its time.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use stack::{Process, Signal, poll};

use crate::{progress::Step, terminal::check_interrupt, tools::Tools, workspace::CargoWorkspace};

/// The page's sources. The hash below may differ between versions of Rust, hence the toolchain.
const SOURCES: [&str; 6] =
    ["client", "crates/contract", ".cargo", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// The folder of cargo's profile: `release` or `debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As fast as in production.
    Release,
    /// Built in half the time; the engine is optimised all the same.
    Debug,
}

impl Profile {
    pub(crate) fn dir(self, workspace: &CargoWorkspace) -> PathBuf {
        workspace.target.join(if self == Self::Release { "release" } else { "debug" })
    }
}

pub(crate) fn binaries(step: &Step, workspace: &CargoWorkspace, profile: Profile) -> Result<()> {
    let mut args = vec!["build", "-p", "server", "-p", "worker"];
    if profile == Profile::Release {
        args.push("--release");
    }
    step.command(workspace.cargo(&args)).map(drop)
}

pub(crate) fn page_is_fresh(workspace: &CargoWorkspace) -> Result<bool> {
    let built = fs::read_to_string(stamp(workspace)).unwrap_or_default();
    Ok(built == fingerprint(workspace)? && workspace.root.join("client/dist/index.html").exists())
}

/// Builds the page unless it is fresh, one build at a time: they write into the same folder.
pub(crate) fn page(step: &Step, workspace: &CargoWorkspace, tools: &Tools) -> Result<()> {
    fs::create_dir_all(&workspace.target)?;
    let lock =
        File::create(workspace.target.join("client.lock")).context("creating the page's lock")?;
    poll(Duration::MAX, || match (check_interrupt(), lock.try_lock()) {
        (Err(interrupted), _) => Some(Err(interrupted)),
        (_, Err(TryLockError::WouldBlock)) => None,
        _ => Some(Ok(())),
    })
    .transpose()?;
    if page_is_fresh(workspace)? {
        return Ok(());
    }
    // Computed before the build: a source that changes meanwhile is built next time.
    let fingerprint = fingerprint(workspace)?;
    // trunk reads NO_COLOR as an option of its own and refuses the value 1.
    let trunk = Process::builder("trunk", "env")
        .args(["--unset=NO_COLOR", "trunk", "build", "--release", "--offline"])
        .dir(workspace.root.join("client"))
        .env("PATH", tools.path()?)
        .death_signal(Signal::TERM);
    step.command(trunk)?;
    fs::write(stamp(workspace), fingerprint).context("recording what the page was built from")
}

fn stamp(workspace: &CargoWorkspace) -> PathBuf {
    workspace.target.join("client.stamp")
}

fn fingerprint(workspace: &CargoWorkspace) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        hash_into(&mut hasher, &workspace.root.join(source))
            .with_context(|| format!("reading {source}"))?;
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
