//! Where the system's binaries are. Only looks; installing is xtask's.
//!
//! Which version it is that was found, nobody asks here: parts that need a certain one say so when they start.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Debian keeps nginx and others here, and does not put it into a user's `PATH`.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Debian keeps Postgres here, one folder a version, and links only a few of its programs into `PATH`.
const POSTGRES: &str = "/usr/lib/postgresql";

/// The full path of a program: from `PATH`, else from the system's folders, else from Postgres's newest version.
/// A path with a slash is taken as it is.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_executable(path));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let postgres = newest_postgres().and_then(|server| server.parent().map(Path::to_owned));
    env::split_paths(&path)
        .chain(SYSTEM.map(PathBuf::from))
        .chain(postgres)
        .map(|dir| dir.join(name))
        .find(|path| is_executable(path))
}

/// Like [`find_program`], with an error that says what to install.
pub(crate) fn program(name: &str, package: &'static str) -> Result<PathBuf> {
    find_program(name).ok_or_else(|| Error::MissingProgram { program: name.to_owned(), package })
}

/// A program of Postgres.
///
/// All programs come from the folder of `postgres` itself, so that a client never meets an older server.
pub(crate) fn postgres_program(name: &str) -> Result<PathBuf> {
    let missing = || Error::MissingProgram { program: name.to_owned(), package: "postgresql" };
    let server =
        find_program("postgres").and_then(|path| fs::canonicalize(path).ok()).or_else(newest_postgres);
    let beside = server.as_deref().and_then(Path::parent).map(|dir| dir.join(name));
    beside.filter(|path| is_executable(path)).or_else(|| find_program(name)).ok_or_else(missing)
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES).ok()?.flatten();
    versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let server = entry.path().join("bin/postgres");
            is_executable(&server).then_some((version, server))
        })
        .max()
        .map(|(_, server)| server)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
