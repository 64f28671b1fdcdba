//! What a test asks for: a fresh database, a Redis of its own. Everything is gone when the handle is dropped.
//!
//! Starting a Postgres takes seconds, so the tests of one process share one and get a database each: the first
//! handle starts it, the last one stops it. A test that kills or stops its Postgres asks for a private one.

use std::{
    fs,
    ops::Deref,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, Weak},
};

use tempfile::TempDir;

use crate::{Error, Nginx, Postgres, PostgresOptions, Redis, RedisOptions, Result, output::lock};

static SHARED: Mutex<Weak<Private<Postgres>>> = Mutex::new(Weak::new());

/// A part in a temporary folder: stopped, then removed, when dropped.
#[derive(Debug)]
pub struct Private<T> {
    // Before the folder: fields are dropped in this order.
    part: T,
    dir: TempDir,
}

impl<T> Private<T> {
    /// Starts a part in a new temporary folder.
    ///
    /// # Errors
    /// What `start` returns, or [`Error::Io`].
    pub fn start(start: impl FnOnce(&std::path::Path) -> Result<T>) -> Result<Self> {
        let dir = temp_dir()?;
        Ok(Self { part: start(dir.path())?, dir })
    }

    /// The temporary folder.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }
}

impl<T> Deref for Private<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.part
    }
}

/// A fresh, empty database on the Postgres that the tests of this process share.
#[derive(Debug)]
pub struct Database {
    name: String,
    postgres: Arc<Private<Postgres>>,
}

impl Database {
    /// Creates the database, and starts the shared Postgres when this is the first one.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    // Not `Default`: this starts a server, and may fail.
    pub fn new() -> Result<Self> {
        let postgres = shared()?;
        let name = format!("test_{}", random_name());
        postgres.create_database(&name)?;
        Ok(Self { name, postgres })
    }

    /// `postgres://postgres@127.0.0.1:<port>/<name>`.
    #[must_use]
    pub fn url(&self) -> String {
        self.postgres.url(&self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port of the shared Postgres.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// Runs SQL in it; see [`Postgres::psql`].
    ///
    /// # Errors
    /// [`Error::Failed`] with what Postgres said.
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.postgres.psql(&self.name, sql)
    }

    /// Runs a file of SQL in it; see [`Postgres::psql_file`].
    ///
    /// # Errors
    /// [`Error::Failed`] with what Postgres said.
    pub fn psql_file(&self, file: &std::path::Path) -> Result<()> {
        self.postgres.psql_file(&self.name, file)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The folder goes with the last handle anyway.
        let _ = self.postgres.drop_database(&self.name);
    }
}

/// A Postgres of the test's own, which it may kill and restart.
///
/// # Errors
/// As [`Postgres::start`].
pub fn postgres() -> Result<Private<Postgres>> {
    Private::start(|dir| Postgres::start(dir, PostgresOptions { throwaway: true, ..Default::default() }))
}

/// A Redis of the test's own, which forgets everything when it is killed.
///
/// # Errors
/// As [`Redis::start`].
pub fn redis() -> Result<Private<Redis>> {
    redis_with(RedisOptions::default())
}

/// A Redis of the test's own, run in another way.
///
/// # Errors
/// As [`Redis::start`].
pub fn redis_with(options: RedisOptions) -> Result<Private<Redis>> {
    Private::start(|dir| Redis::start(&dir.join("redis"), options))
}

/// An nginx of the test's own, on the given template; see [`Nginx::start`].
///
/// # Errors
/// As [`Nginx::start`].
pub fn nginx(template: &std::path::Path, options: crate::NginxOptions) -> Result<Private<Nginx>> {
    Private::start(|dir| Nginx::start(template, dir, options))
}

fn shared() -> Result<Arc<Private<Postgres>>> {
    // Held while it starts, so that the tests that come meanwhile wait for this one.
    let mut shared = lock(&SHARED);
    if let Some(postgres) = shared.upgrade() {
        return Ok(postgres);
    }
    let postgres = Arc::new(postgres()?);
    *shared = Arc::downgrade(&postgres);
    Ok(postgres)
}

/// A name that no other test has.
fn random_name() -> String {
    std::iter::repeat_with(fastrand::lowercase).take(16).collect()
}

fn temp_dir() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("fibonacci-").tempdir();
    let dir = dir.map_err(Error::io("creating a temporary folder"))?;
    // Open to all: when root runs the tests, Postgres runs as another user and has to pass through.
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), open).map_err(Error::io("opening a temporary folder"))?;
    Ok(dir)
}
