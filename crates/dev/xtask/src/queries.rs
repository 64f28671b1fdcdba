//! `.sqlx`: what sqlx's macros know of the server's queries, committed so that a build needs no database.
//! It is what `cargo sqlx prepare` does, without that tool: the macros write the files when they have a
//! database, here a private one with the server's migrations.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use stack::testing;

use crate::{progress::Step, workspace::CargoWorkspace};

/// File name to content.
type Queries = BTreeMap<String, Value>;

/// Writes `.sqlx`, or compares it.
pub(crate) fn run(step: &Step, workspace: &CargoWorkspace, check: bool) -> Result<()> {
    let database = testing::Database::new()?;
    migrate(&database, &workspace.root.join("server/migrations"))?;

    let fresh = workspace.target.join("queries");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    // Cargo would not run the macros of an unchanged source again.
    let source = workspace.root.join("server/src/lib.rs");
    let touched =
        File::options().append(true).open(&source).and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("touching {}", source.display()))?;
    let build = workspace
        .cargo(&["check", "-p", "server"])
        // Overrides .cargo/config.toml.
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &fresh)
        .env("DATABASE_URL", database.url());
    step.command(build)?;

    let committed = workspace.root.join(".sqlx");
    let (new, old) = (read(&fresh)?, read(&committed)?);
    fs::remove_dir_all(&fresh)?;
    if new == old {
        return Ok(());
    }
    if check {
        let differing = new.iter().filter(|(name, query)| old.get(*name) != Some(query)).count()
            + old.keys().filter(|name| !new.contains_key(*name)).count();
        bail!(
            ".sqlx differs from the sources in {differing} queries; bring it up to date by `cargo xtask queries`"
        );
    }
    write(&committed, &new).with_context(|| format!("writing {}", committed.display()))
}

fn migrate(database: &testing::Database, migrations: &Path) -> Result<()> {
    let entries = fs::read_dir(migrations).with_context(|| format!("reading {}", migrations.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    files.iter().try_for_each(|file| database.psql_file(file).map_err(Into::into))
}

fn read(dir: &Path) -> Result<Queries> {
    if !dir.exists() {
        return Ok(Queries::new());
    }
    let mut queries = Queries::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        queries.insert(
            name,
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?,
        );
    }
    Ok(queries)
}

fn write(dir: &Path, queries: &Queries) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    if queries.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    for (name, query) in queries {
        fs::write(dir.join(name), format!("{}\n", serde_json::to_string_pretty(query)?))?;
    }
    Ok(())
}
