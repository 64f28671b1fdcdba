//! A Postgres server as a child process, with a data folder and a port of its own. Its superuser
//! `postgres` needs no password from 127.0.0.1. SQL runs through psql.

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

/// initdb and pg_basebackup take about a second each, and many times that on a busy machine with a
/// slow disk.
const DATA_FOLDER_TIMEOUT: Duration = Duration::from_secs(120);

/// Includes recovery after a crash, which replays the write-ahead log.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Enough for a test process that runs dozens of tests in parallel, each with a connection pool.
const MAX_CONNECTIONS: u32 = 400;

/// Time for the primary to refuse writes, and then for the standby to replay its log.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(60);

/// How to run a Postgres. The default is safe for data.
#[derive(Default)]
pub struct PostgresOptions {
    /// `None` chooses a free port.
    pub port: Option<Port>,
    /// Turn fsync off: commits survive a killed Postgres, but not a crash of the machine.
    pub throwaway: bool,
    /// Also accept TLS connections, with this certificate.
    pub tls: Option<Certificate>,
    pub output: Output,
}

/// Dropping it stops the server.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    port: Port,
    dir: PathBuf,
}

impl Postgres {
    /// Prepares a Postgres with its data in `dir`; both are created if missing. Does not start it.
    pub fn prepare(dir: &Path, options: PostgresOptions) -> Result<Self> {
        let postgres = Self::configure(dir, options)?;
        let initialized = create_data_folder(&postgres.dir, "initdb", |initdb, data| {
            let options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
            initdb.arg("-D").arg(data).args(["-U", "postgres"]).args(options)
        });
        initialized.with_context(|| format!("preparing {}", postgres.dir.display()))?;
        Ok(postgres)
    }

    /// Prepares a standby with a copy of the data of `primary`, which must be running. Once
    /// started, it follows `primary` until it is promoted.
    pub fn standby(dir: &Path, options: PostgresOptions, primary: &Self) -> Result<Self> {
        let postgres = Self::configure(dir, options)?;
        postgres.copy_data_from(primary)?;
        Ok(postgres)
    }

    /// Restarts it as a standby of `primary`, with a copy of that server's data.
    pub fn restart_as_standby(&self, primary: &Self) -> Result<()> {
        self.stop()?;
        fs::remove_dir_all(self.dir.join("data"))?;
        self.copy_data_from(primary)?;
        self.start()
    }

    fn copy_data_from(&self, primary: &Self) -> Result<()> {
        let copied = create_data_folder(&self.dir, "pg_basebackup", |backup, data| {
            let backup = backup.arg("-D").arg(data).args(["-d", &primary.url("postgres")]);
            // --write-recovery-conf makes it a standby.
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
        });
        copied
            .with_context(|| format!("copying {} to {}", primary.dir.display(), self.dir.display()))
    }

    /// Promotes `standby` after it has replayed everything that was committed here. This server
    /// refuses writes from now on, and keeps its connections.
    pub fn fail_over_to(&self, standby: &Self) -> Result<()> {
        self.psql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")?;
        self.psql("postgres", "SELECT pg_reload_conf()")?;
        wait_until("the primary refuses writes", REPLICATION_TIMEOUT, || {
            let read_only = "SELECT current_setting('transaction_read_only')";
            let writers = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL";
            let returns = |sql, expected| {
                self.psql("postgres", sql).is_ok_and(|value| value.trim() == expected)
            };
            returns(read_only, "on") && returns(writers, "0")
        })?;
        let flushed_lsn = self.psql("postgres", "SELECT pg_current_wal_flush_lsn()")?;
        let is_replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", flushed_lsn.trim());
        wait_until("the standby has replayed everything", REPLICATION_TIMEOUT, || {
            standby.psql("postgres", &is_replayed).is_ok_and(|value| value.trim() == "t")
        })?;
        standby.psql("postgres", "SELECT pg_promote()").map(drop)
    }

    fn configure(dir: &Path, options: PostgresOptions) -> Result<Self> {
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
            // Not synchronous_commit=off: an acknowledged commit must survive a killed Postgres.
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        if let Some(certificate) = &options.tls {
            let (chain, key) = certificate.write(&dir)?;
            chown(&[&chain, &key], identity.as_ref())?;
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
            // INT is the fast shutdown of Postgres, which ends sessions. TERM waits for them.
            .stop_signal(Signal::INT)
            .death_signal(Signal::INT)
            .output(options.output);
        let url = format!("postgres://postgres@127.0.0.1:{number}/postgres");
        // Until the processes of a killed Postgres have ended, a new one refuses to start.
        let previous_still_runs =
            |log: &str| log.contains("shared memory") || log.contains("postmaster.pid");
        let service = Service::new(builder, READY_TIMEOUT, move || is_healthy(&url));
        Ok(Self { service: service.retry_if(previous_still_runs), port, dir })
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// Creates an empty database unless one of this name exists.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let known =
            self.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))?;
        if known.trim().is_empty() {
            self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        }
        Ok(())
    }

    /// Runs one SQL command and returns its rows, with columns separated by `|`.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        self.run_psql(database, &["-c".as_ref(), sql.as_ref()])
    }

    /// Runs a file of SQL in one transaction.
    pub fn psql_file(&self, database: &str, file: &Path) -> Result<()> {
        self.run_psql(database, &["-1".as_ref(), "-f".as_ref(), file.as_ref()]).map(drop)
    }

    fn run_psql(&self, database: &str, args: &[&OsStr]) -> Result<String> {
        let output = Command::new(postgres_program("psql")?)
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"])
            .args(["--set=ON_ERROR_STOP=1", "-d", &self.url(database)])
            .args(args)
            .stdin(Stdio::null())
            .env_clear()
            .env("PGCONNECT_TIMEOUT", "10")
            .output()
            .context("starting psql")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let command = args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        bail!("`psql {command}` failed:\n{}", String::from_utf8_lossy(&output.stderr).trim())
    }
}

impl Deref for Postgres {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Creates the folder `data` in `dir` with a program of Postgres, unless it exists.
fn create_data_folder(
    dir: &Path,
    program: &str,
    arguments: impl FnOnce(Builder, &Path) -> Builder,
) -> Result<()> {
    let data = dir.join("data");
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    // The program fills another folder, renamed once it is complete: an interrupted run leaves no
    // incomplete `data`.
    let fresh = dir.join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700))?;
    let identity = identity(dir);
    chown(&[&fresh], identity.as_ref())?;
    let builder = Process::builder(program, postgres_program(program)?);
    arguments(builder, &fresh).env_clear().dir(dir).identity(identity).run(DATA_FOLDER_TIMEOUT)?;
    Ok(fs::rename(&fresh, data)?)
}

/// Gives files to the user that Postgres runs as, if that is another one.
fn chown(files: &[&Path], identity: Option<&Identity>) -> Result<()> {
    let Some(Identity { user, .. }) = identity else { return Ok(()) };
    let chown = Process::builder("chown", "chown").arg(format!("{user}:{user}")).args(files);
    let outcome = chown.run(Duration::from_secs(10)).map(drop);
    outcome.context("Postgres does not run as root (Debian package with its user: postgresql)")
}

/// Postgres refuses to run as root. Started by root, it runs as the system's user `postgres`.
fn identity(dir: &Path) -> Option<Identity> {
    // Root's checkout is often below /root, which that user may not enter. Only then does it keep
    // CAP_DAC_OVERRIDE, because a database superuser can read every file that the server can.
    let can_enter =
        dir.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0));
    let is_root = rustix::process::geteuid().is_root();
    is_root.then_some(Identity { user: "postgres", dac_override: !can_enter })
}
