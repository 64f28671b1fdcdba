//! Builds server and worker with cargo, and the page with trunk. trunk takes long even if there is
//! nothing to do, so it runs only if a source of the page has changed.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use stack::{Process, Signal, poll};

use crate::tools::PageTools;
use crate::{progress::Step, terminal::check_interrupt, workspace::CargoWorkspace};

/// The inputs of the page's build, besides the files of client/sources.txt.
const PAGE_SOURCES: [&str; 6] =
    ["client", "crates/contract", ".cargo", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// The cargo profile of server and worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// The profile of the images.
    Release,
    /// Takes half the time to build. The engine is optimised in this profile too.
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

/// Builds the page unless it is fresh. Only one build runs at a time, because all of them write
/// into the same folder.
pub(crate) fn page(step: &Step, workspace: &CargoWorkspace, tools: &PageTools) -> Result<()> {
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
    // Before the build: if a source changes during the build, the page is built again next time.
    let fingerprint = fingerprint(workspace)?;
    // trunk parses NO_COLOR as one of its options, and rejects the value 1.
    let trunk = Process::builder("trunk", "env")
        .args(["--unset=NO_COLOR", "trunk", "build", "--release", "--offline", "--features=split"])
        .dir(workspace.root.join("client"))
        .env("PATH", tools.path()?)
        .death_signal(Signal::TERM);
    step.command(trunk)?;
    fs::write(stamp(workspace), fingerprint).context("recording what the page was built from")
}

/// The file with the fingerprint of the sources that the page was built from.
fn stamp(workspace: &CargoWorkspace) -> PathBuf {
    workspace.target.join("client.stamp")
}

fn fingerprint(workspace: &CargoWorkspace) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    let copied = fs::read_to_string(workspace.root.join("client/sources.txt"))?;
    for source in PAGE_SOURCES.into_iter().chain(copied.lines()) {
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
