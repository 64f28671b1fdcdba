//! A private Postgres in a folder of its own, on a port of its own, the super-user `postgres` trusted from
//! 127.0.0.1 and no socket file. It uses Postgres's own programs (initdb, psql, pg_isready) and no SQL library:
//! whoever tests SQL has one.

use std::{
    ffi::OsStr,
    fs,
    ops::Deref,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    Certificate, Error, Identity, Output, Port, Process, Result, Service, Signal, answers,
    programs::postgres_program,
};

/// initdb takes about a second; a busy machine with a slow disk many times that.
const INIT: Duration = Duration::from_secs(120);

/// Generous: recovery after a crash replays what was not yet in the tables.
const READY: Duration = Duration::from_secs(60);

/// After -9 its backends take a moment to notice, and until then a new server refuses to start.
const AFTERMATH: Duration = Duration::from_secs(15);

/// Enough for a test process that runs dozens of tests side by side, each with a pool.
const MAX_CONNECTIONS: u32 = 400;

/// How a Postgres is run. The default is safe for data.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// The port; a free one when `None`.
    pub port: Option<Port>,
    /// Never wait for the disk. What is committed survives kill -9 of Postgres, but not a crash of the machine.
    pub throwaway: bool,
    /// Speak TLS too, with this certificate; whoever does not ask for it goes on without.
    pub tls: Option<Certificate>,
    /// What becomes of its log.
    pub output: Output,
}

/// A running Postgres; stopped when dropped. [`Service`] has `kill`, `stop`, `signal`; after them comes
/// [`Postgres::restart`].
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    port: Port,
}

impl Postgres {
    /// Starts Postgres on the data in `dir`, which is created when it is new, and waits until it answers.
    ///
    /// # Errors
    /// When Postgres is not installed, does not start, or `dir` cannot be used.
    pub fn start(dir: &Path, options: PostgresOptions) -> Result<Self> {
        let postgres = Self::prepare(dir, options)?;
        postgres.restart()?;
        Ok(postgres)
    }

    /// Like [`Postgres::start`], but leaves it to be started: the data exists afterwards.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn prepare(dir: &Path, options: PostgresOptions) -> Result<Self> {
        let failed = || Error::io(format!("preparing {}", dir.display()));
        fs::create_dir_all(dir).map_err(failed())?;
        let dir = fs::canonicalize(dir).map_err(failed())?;
        let identity = identity(&dir)?;
        let data = dir.join("data");
        init(&dir, &data, identity.as_ref())?;

        let port = options.port.map_or_else(Port::free, Ok)?;
        let number = port.number().to_string();
        let speed: &[&str] = if options.throwaway {
            // Not synchronous_commit=off: a commit must be in the system's hands before it is acknowledged.
            &["-c", "fsync=off", "-c", "full_page_writes=off"]
        } else {
            &[]
        };
        let tls = match &options.tls {
            Some(certificate) => tls(&dir, certificate, identity.as_ref())?,
            None => Vec::new(),
        };
        let builder = Process::builder("postgres", postgres_program("postgres")?)
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &number, "-c", "unix_socket_directories=", "-c", "lc_messages=C"])
            .args(["-c".to_owned(), format!("max_connections={MAX_CONNECTIONS}")])
            .args(speed)
            .args(tls)
            .dir(dir)
            .identity(identity)
            // INT is Postgres's "fast" shutdown: it ends sessions. TERM would wait for every client to leave.
            .stop_signal(Signal::INT)
            .death_signal(Signal::INT)
            .output(options.output);
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", port.number());
        let ready = move || answers(&url);
        Ok(Self { service: Service::new(builder, READY, ready), port })
    }

    /// Starts it again with its data, after [`Service::kill`] or while it runs.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn restart(&self) -> Result<()> {
        self.service.stop()?;
        let deadline = Instant::now() + AFTERMATH;
        loop {
            match self.service.start() {
                Err(Error::EndedEarly { log, .. })
                    if log.contains("shared memory") && Instant::now() < deadline => {}
                other => return other,
            }
        }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `postgres://postgres@127.0.0.1:<port>/<database>`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// Creates an empty database, unless there is one of that name.
    ///
    /// # Errors
    /// [`Error::Failed`] with what Postgres said.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let known = self.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))?;
        if known.trim().is_empty() {
            self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        }
        Ok(())
    }

    /// Removes a database together with the connections to it, if there is one of that name.
    ///
    /// # Errors
    /// [`Error::Failed`] with what Postgres said.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.psql("postgres", &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).map(drop)
    }

    /// Runs one SQL command by psql and returns its rows, bare: columns separated by `|`.
    ///
    /// # Errors
    /// [`Error::Failed`] with what Postgres said.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        self.run_psql(database, &["-c".as_ref(), sql.as_ref()])
    }

    /// Runs a file of SQL by psql, in one transaction.
    ///
    /// # Errors
    /// [`Error::Failed`] with what Postgres said.
    pub fn psql_file(&self, database: &str, file: &Path) -> Result<()> {
        self.run_psql(database, &["-1".as_ref(), "-f".as_ref(), file.as_ref()]).map(drop)
    }

    fn run_psql(&self, database: &str, what: &[&OsStr]) -> Result<String> {
        let mut psql = Command::new(postgres_program("psql")?);
        psql.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database)])
            .args(what);
        psql.stdin(Stdio::null()).env("PGCONNECT_TIMEOUT", "10").env_remove("PGOPTIONS");
        let output = psql.output().map_err(Error::io("starting psql"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let command = what.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let log = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Failed { command: format!("psql {command}"), status: output.status, log })
    }
}

impl Deref for Postgres {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Creates the data folder when it is new.
fn init(dir: &Path, data: &Path, identity: Option<&Identity>) -> Result<()> {
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    // initdb works beside and the finished folder is renamed, so that one that was interrupted is never used.
    let fresh = dir.join("data.new");
    let failed = || Error::io(format!("preparing {}", data.display()));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(failed())?;
    }
    fs::create_dir(&fresh).map_err(failed())?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700)).map_err(failed())?;
    if let Some(Identity { user, group, .. }) = identity {
        let owner = user_ids(user).map(|(uid, _)| uid);
        chown(&fresh, owner, Some(*group)).map_err(failed())?;
    }
    Process::builder("initdb", postgres_program("initdb")?)
        .arg("-D")
        .arg(&fresh)
        .args(["-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
        .dir(dir)
        .identity(identity.cloned())
        .run(INIT)?;
    fs::rename(&fresh, data).map_err(failed())
}

/// Writes the certificate where only Postgres may read its key, and returns the arguments that name it.
fn tls(dir: &Path, certificate: &Certificate, identity: Option<&Identity>) -> Result<Vec<String>> {
    let (chain, key) = certificate.write(dir)?;
    if let Some(Identity { user, group, .. }) = identity {
        let owner = user_ids(user).map(|(uid, _)| uid);
        for file in [&chain, &key] {
            chown(file, owner, Some(*group)).map_err(Error::io(format!("preparing {}", file.display())))?;
        }
    }
    let settings = ["ssl=on".to_owned()]
        .into_iter()
        .chain([format!("ssl_cert_file={}", chain.display()), format!("ssl_key_file={}", key.display())]);
    Ok(settings.flat_map(|setting| ["-c".to_owned(), setting]).collect())
}

/// Postgres refuses to run as root: as root it runs as the system's user `postgres`.
fn identity(dir: &Path) -> Result<Option<Identity>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let user = "postgres".to_owned();
    let (_, group) = user_ids(&user).ok_or(Error::NoPostgresUser)?;
    // A checkout of root's is often below /root, which that user may not enter. It then keeps root's right to pass
    // through folders, and no other. Where the way is open it gets none: a database's super-user can read any
    // file that its server can.
    let way_is_open = dir.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0));
    Ok(Some(Identity { user, group, dac_override: !way_is_open }))
}

/// The numbers of a user and its group, from the system's list.
fn user_ids(name: &str) -> Option<(u32, u32)> {
    let list = fs::read_to_string("/etc/passwd").ok()?;
    let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
