//! `cargo xtask queries`: writes `.sqlx`, the description of the server's queries. It is committed,
//! so that sqlx's macros compile without a database.
//!
//! This replaces `cargo sqlx prepare`, so that nobody has to install sqlx-cli. The macros write the
//! files themselves when they have a database: here a temporary one with the server's migrations.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use stack::testing::Database;

use crate::{progress::Step, workspace::CargoWorkspace};

pub(crate) fn run(step: &Step, workspace: &CargoWorkspace, check: bool) -> Result<()> {
    let database = Database::new()?;
    let migrations = workspace.root.join("server/migrations");
    // In the order of their names, which begin with their version.
    for name in read_files(&migrations)?.keys() {
        database.psql_file(&migrations.join(name))?;
    }

    let generated_dir = workspace.target.join("queries");
    create_empty_dir(&generated_dir)?;
    // Cargo does not expand the macros of an unchanged crate again.
    touch(&workspace.root.join("server/src/lib.rs"))?;
    let build = workspace
        // Overrides SQLX_OFFLINE in .cargo/config.toml.
        .cargo(&["--config", "env.SQLX_OFFLINE.value=\"false\"", "check", "-p", "server"])
        .env("SQLX_OFFLINE_DIR", &generated_dir)
        .env("DATABASE_URL", database.url());
    step.command(build)?;

    let committed_dir = workspace.root.join(".sqlx");
    let (generated, committed) = (read_files(&generated_dir)?, read_files(&committed_dir)?);
    fs::remove_dir_all(&generated_dir)?;
    if generated == committed {
        return Ok(());
    }
    if check {
        bail!(".sqlx does not match the server's queries; run `cargo xtask queries` to update it");
    }
    create_empty_dir(&committed_dir)?;
    for (name, text) in generated {
        fs::write(committed_dir.join(name), text)?;
    }
    Ok(())
}

fn touch(path: &Path) -> Result<()> {
    File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| format!("touching {}", path.display()))
}

/// The text of each file in `dir`, by its name.
fn read_files(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        let path = entry.path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    Ok(files)
}

/// Creates the directory, or removes everything in it.
fn create_empty_dir(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))
}
