//! Finds installed programs. `cargo xtask` installs the missing ones.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};

/// Debian installs nginx and others here, which are not in a user's `PATH`.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Debian installs each version of Postgres into a folder here, and links only a few of its
/// programs into `PATH`.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// The full path of a program in `PATH`, else in the system's folders, else in the newest version
/// of Postgres. A name with a slash is a path already.
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_executable(path));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let postgres = newest_postgres().and_then(|server| server.parent().map(Path::to_owned));
    env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .chain(postgres)
        .map(|dir| dir.join(name))
        .find(|path| is_executable(path))
}

/// Like [`find_program`], with an error that names the Debian package to install.
pub fn program(name: &str, package: &str) -> Result<PathBuf> {
    find_program(name)
        .with_context(|| format!("`{name}` is not installed (Debian package: {package})"))
}

/// A program of Postgres, from the folder of the server, so that both have the same version.
pub(crate) fn postgres_program(name: &str) -> Result<PathBuf> {
    let server = find_program("postgres")
        .and_then(|path| fs::canonicalize(path).ok())
        .or_else(newest_postgres);
    let beside = server.as_deref().and_then(Path::parent).map(|dir| dir.join(name));
    beside.filter(|path| is_executable(path)).map_or_else(|| program(name, "postgresql"), Ok)
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES_FOLDER).ok()?.flatten();
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
