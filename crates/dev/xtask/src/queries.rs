//! Writes `.sqlx`, the data of sqlx's macros about the server's queries, which is committed so that
//! a build needs no database. Like `cargo sqlx prepare`, but without that tool: the macros write
//! the files if they have a database. Here it is a temporary one with the server's migrations.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use stack::testing::Database;

use crate::{progress::Step, workspace::CargoWorkspace};

pub(crate) fn run(step: &Step, workspace: &CargoWorkspace, check: bool) -> Result<()> {
    let database = Database::new()?;
    let migrations = read_files(&workspace.root.join("server/migrations"))?;
    migrations.keys().try_for_each(|name| {
        database.psql_file(&workspace.root.join("server/migrations").join(name))
    })?;

    let (fresh, committed) = (workspace.target.join("queries"), workspace.root.join(".sqlx"));
    replace_files(&fresh, &BTreeMap::new())?;
    // Cargo does not run the macros of an unchanged source again.
    let source = workspace.root.join("server/src/lib.rs");
    let touched = File::options()
        .append(true)
        .open(&source)
        .and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("touching {}", source.display()))?;
    let build = workspace
        // Overrides .cargo/config.toml.
        .cargo(&["--config", "env.SQLX_OFFLINE.value=\"false\"", "check", "-p", "server"])
        .env("SQLX_OFFLINE_DIR", &fresh)
        .env("DATABASE_URL", database.url());
    step.command(build)?;

    let (new, old) = (read_files(&fresh)?, read_files(&committed)?);
    fs::remove_dir_all(&fresh)?;
    match new == old {
        true => Ok(()),
        false if check => bail!(".sqlx differs from the sources: `cargo xtask queries` updates it"),
        false => replace_files(&committed, &new),
    }
}

fn read_files(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let name =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        files.insert(
            name,
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?,
        );
    }
    Ok(files)
}

fn replace_files(dir: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    files.iter().try_for_each(|(name, text)| Ok(fs::write(dir.join(name), text)?))
}
