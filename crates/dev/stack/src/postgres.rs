//! A Postgres in a folder and on a port of its own: super-user `postgres`, trusted from 127.0.0.1,
//! no socket file. SQL goes through psql.

use std::ffi::OsStr;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Identity;
use crate::programs::postgres_program;
use crate::{Builder, Certificate, Output, Port, Process, Service, Signal, is_healthy, wait_until};

/// initdb takes about a second, and a copy as long; a busy machine with a slow disk many times
/// that.
const FILL_TIMEOUT: Duration = Duration::from_secs(120);

/// Recovery after a crash replays the write-ahead log.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Enough for a test process that runs dozens of tests side by side, each with a pool.
const MAX_CONNECTIONS: u32 = 400;

/// For the primary to refuse writes, and for the standby to replay what was written.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(60);

/// How a Postgres is run. The default is safe for data.
#[derive(Default)]
pub struct PostgresOptions {
    /// A free one when `None`.
    pub port: Option<Port>,
    /// Never wait for the disk. Commits survive a killed Postgres, but not a crash of the machine.
    pub throwaway: bool,
    /// Accept TLS connections too, with this certificate.
    pub tls: Option<Certificate>,
    pub output: Output,
}

/// Stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    port: Port,
    dir: PathBuf,
}

impl Postgres {
    /// Creates the data in `dir`, and `dir` itself, when they are new. It is not yet started.
    pub fn prepare(dir: &Path, options: PostgresOptions) -> Result<Self> {
        let postgres = Self::describe(dir, options)?;
        let initialized = fill(&postgres.dir, "initdb", |initdb, data| {
            let options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
            initdb.arg("-D").arg(data).args(["-U", "postgres"]).args(options)
        });
        initialized.with_context(|| format!("preparing {}", postgres.dir.display()))?;
        Ok(postgres)
    }

    /// As [`Postgres::prepare`], with a copy of the data of `primary`, which runs. It then follows
    /// `primary` as its standby until it is promoted.
    pub fn standby(dir: &Path, options: PostgresOptions, primary: &Self) -> Result<Self> {
        let postgres = Self::describe(dir, options)?;
        postgres.copy(primary)?;
        Ok(postgres)
    }

    /// Stops it, and starts it again as a standby of `primary`, with a copy of its data.
    pub fn restart_as_standby(&self, primary: &Self) -> Result<()> {
        self.stop()?;
        fs::remove_dir_all(self.dir.join("data"))?;
        self.copy(primary)?;
        self.start()
    }

    fn copy(&self, primary: &Self) -> Result<()> {
        let copied = fill(&self.dir, "pg_basebackup", |backup, data| {
            // `-R` makes it a standby.
            backup.arg("-D").arg(data).args([
                "-d",
                &primary.url("postgres"),
                "-R",
                "-c",
                "fast",
                "-N",
            ])
        });
        copied
            .with_context(|| format!("copying {} to {}", primary.dir.display(), self.dir.display()))
    }

    /// Makes `standby` the primary, after it has everything that was committed here. This one
    /// refuses writes from now on, and keeps its connections.
    pub fn fail_over_to(&self, standby: &Self) -> Result<()> {
        self.psql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")?;
        self.psql("postgres", "SELECT pg_reload_conf()")?;
        wait_until("the primary refuses writes", REPLICATION_TIMEOUT, || {
            let open = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL";
            let setting = "SELECT current_setting('transaction_read_only')";
            let shows = |sql, expected| {
                self.psql("postgres", sql).is_ok_and(|shown| shown.trim() == expected)
            };
            shows(setting, "on") && shows(open, "0")
        })?;
        let written = self.psql("postgres", "SELECT pg_current_wal_flush_lsn()")?;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", written.trim());
        wait_until("the standby has replayed everything", REPLICATION_TIMEOUT, || {
            standby.psql("postgres", &replayed).is_ok_and(|replayed| replayed.trim() == "t")
        })?;
        standby.psql("postgres", "SELECT pg_promote()").map(drop)
    }

    fn describe(dir: &Path, options: PostgresOptions) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let dir = fs::canonicalize(dir)?;
        let identity = identity(&dir);
        let data = dir.join("data");
        let port = options.port.map_or_else(Port::free, Ok)?;
        let number = port.number().to_string();
        let mut settings = vec![
            "unix_socket_directories=".to_owned(),
            "lc_messages=C".to_owned(),
            format!("max_connections={MAX_CONNECTIONS}"),
        ];
        if options.throwaway {
            // Not synchronous_commit=off: an acknowledged commit must have reached the kernel.
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        if let Some(certificate) = &options.tls {
            let (chain, key) = certificate.write(&dir)?;
            own(&[&chain, &key], identity.as_ref())?;
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", chain.display()));
            settings.push(format!("ssl_key_file={}", key.display()));
        }
        let builder = Process::builder("postgres", postgres_program("postgres")?)
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &number])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .env_clear()
            .dir(&dir)
            .identity(identity)
            // INT is Postgres's "fast" shutdown: it ends sessions. TERM would wait for them.
            .stop_signal(Signal::INT)
            .death_signal(Signal::INT)
            .output(options.output);
        let url = format!("postgres://postgres@127.0.0.1:{number}/postgres");
        // Until the processes of a killed Postgres have ended, a new one refuses to start.
        let old_one_lives =
            |log: &str| log.contains("shared memory") || log.contains("postmaster.pid");
        let service = Service::new(builder, READY_TIMEOUT, move || is_healthy(&url));
        Ok(Self { service: service.retry_if(old_one_lives), port, dir })
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// Creates an empty database, unless there is one of that name.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let known =
            self.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))?;
        if known.trim().is_empty() {
            self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        }
        Ok(())
    }

    /// Runs one SQL command and returns its rows, columns separated by `|`.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        self.run_psql(database, &["-c".as_ref(), sql.as_ref()])
    }

    /// Runs a file of SQL in one transaction.
    pub fn psql_file(&self, database: &str, file: &Path) -> Result<()> {
        self.run_psql(database, &["-1".as_ref(), "-f".as_ref(), file.as_ref()]).map(drop)
    }

    fn run_psql(&self, database: &str, what: &[&OsStr]) -> Result<String> {
        let mut psql = Command::new(postgres_program("psql")?);
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-w",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.url(database),
        ])
        .args(what);
        psql.stdin(Stdio::null()).env_clear().env("PGCONNECT_TIMEOUT", "10");
        let output = psql.output().context("starting psql")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let command = what.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        bail!("`psql {command}` failed:\n{}", String::from_utf8_lossy(&output.stderr).trim())
    }
}

impl Deref for Postgres {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Has a program of Postgres fill the folder `data` in `dir`, unless it is there.
fn fill(
    dir: &Path,
    program: &str,
    arguments: impl FnOnce(Builder, &Path) -> Builder,
) -> Result<()> {
    let data = dir.join("data");
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    // The program fills another folder, renamed when complete: an interrupted one is never used.
    let fresh = dir.join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700))?;
    let identity = identity(dir);
    own(&[&fresh], identity.as_ref())?;
    let builder = Process::builder(program, postgres_program(program)?);
    arguments(builder, &fresh).env_clear().dir(dir).identity(identity).run(FILL_TIMEOUT)?;
    Ok(fs::rename(&fresh, data)?)
}

/// Gives the files to the user that Postgres runs as.
fn own(files: &[&Path], identity: Option<&Identity>) -> Result<()> {
    let Some(Identity { user, .. }) = identity else { return Ok(()) };
    let chown = Process::builder("chown", "chown").arg(format!("{user}:{user}")).args(files);
    let given = chown.run(Duration::from_secs(10));
    given
        .map(drop)
        .context("Postgres does not run as root (Debian package with its user: postgresql)")
}

/// Postgres refuses to run as root: as root it runs as the system's user `postgres`.
fn identity(dir: &Path) -> Option<Identity> {
    // Root's checkout is often below /root, which that user may not enter. It then keeps root's
    // right to pass through folders, and only then: a database's super-user can read any file that
    // its server can.
    let is_open =
        dir.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0));
    let is_root = rustix::process::geteuid().is_root();
    is_root.then_some(Identity { user: "postgres", dac_override: !is_open })
}
