//! Databases and services for tests, removed when their handle is dropped. Starting a Postgres
//! takes seconds, so the tests of one process share one and get a [`Database`] each. A test that
//! stops or kills its Postgres gets a private one from [`postgres`].

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    Builder, HttpService, NginxOptions, Port, Postgres, PostgresOptions, Process, Redis,
    RedisOptions, output::lock,
};

/// The longest wait for a condition, on a busy machine.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The goal for the system's recovery after the end of a fault.
pub const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// A value that the tests of one process share: the first handle creates it, the last one drops it.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    #[expect(clippy::new_without_default, reason = "it is for statics, which need a const fn")]
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// Returns the value, created by `start` if there is no handle to one. Other tests wait
    /// meanwhile.
    pub fn get(&self, start: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let mut shared = lock(&self.0);
        if let Some(value) = shared.upgrade() {
            return Ok(value);
        }
        let value = Arc::new(start()?);
        *shared = Arc::downgrade(&value);
        Ok(value)
    }
}

/// A service with a temporary folder. Dropping it stops the service and removes the folder.
#[derive(Debug)]
pub struct Private<T> {
    // Dropped in this order: the service ends before its folder is removed.
    service: T,
    dir: TempDir,
}

impl<T> Private<T> {
    /// Prepares a service in a new temporary folder.
    pub fn new(prepare: impl FnOnce(&Path) -> Result<T>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("fibonacci-").tempdir();
        let dir = dir.context("creating a temporary folder")?;
        // Open to all users: when root runs the tests, Postgres runs as another user.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { service: prepare(dir.path())?, dir })
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl<T> Deref for Private<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.service
    }
}

/// A fresh, empty database on the Postgres that the tests of this process share.
#[derive(Debug)]
pub struct Database {
    name: String,
    postgres: Arc<Private<Postgres>>,
}

impl Database {
    /// Creates the database, and starts the shared Postgres if it is the first one.
    pub fn new() -> Result<Self> {
        static POSTGRES: Shared<Private<Postgres>> = Shared::new();
        let postgres = POSTGRES.get(postgres)?;
        let random: String = std::iter::repeat_with(fastrand::lowercase).take(16).collect();
        let name = format!("test_{random}");
        postgres.create_database(&name)?;
        Ok(Self { name, postgres })
    }

    pub fn url(&self) -> String {
        self.postgres.url(&self.name)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn port(&self) -> u16 {
        self.postgres.port()
    }

    pub fn psql(&self, sql: &str) -> Result<String> {
        self.postgres.psql(&self.name, sql)
    }

    /// Drops the database with its connections, and creates an empty one of the same name.
    pub fn replace(&self) -> Result<()> {
        self.postgres.psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name))?;
        self.postgres.create_database(&self.name)
    }

    pub fn psql_file(&self, file: &Path) -> Result<()> {
        self.postgres.psql_file(&self.name, file)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // If this fails, the database goes with the shared Postgres.
        let _ =
            self.postgres.psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// A private Postgres, which the test may kill and restart.
pub fn postgres() -> Result<Private<Postgres>> {
    let options = PostgresOptions { throwaway: true, ..Default::default() };
    let postgres = Private::new(|dir| Postgres::prepare(dir, options))?;
    postgres.start()?;
    Ok(postgres)
}

/// A running standby of `primary`, with everything committed there so far.
pub fn standby_of(primary: &Postgres) -> Result<Private<Postgres>> {
    let options = PostgresOptions { throwaway: true, ..Default::default() };
    let standby = Private::new(|dir| Postgres::standby(dir, options, primary))?;
    standby.start()?;
    Ok(standby)
}

/// A private Redis, which loses its data when it is killed.
pub fn redis() -> Result<Private<Redis>> {
    redis_with(RedisOptions::default())
}

pub fn redis_with(options: RedisOptions) -> Result<Private<Redis>> {
    let redis = Private::new(|dir| Redis::prepare(&dir.join("redis"), options))?;
    redis.start()?;
    Ok(redis)
}

/// A PgBouncer in transaction mode in front of a Postgres.
pub fn pgbouncer(postgres: u16) -> Result<Private<HttpService>> {
    let port = Port::free()?;
    let listen = port.number();
    // The last `user`: started by root, PgBouncer switches to it.
    let config = format!(
        "[databases]\n* = host=127.0.0.1 port={postgres} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {listen}\nunix_socket_dir =\n\
         auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nuser = postgres\n"
    );
    let pooler = Private::new(|dir| {
        let file = dir.join("pgbouncer.ini");
        fs::write(&file, config)?;
        let builder = Process::builder("pgbouncer", "pgbouncer").arg(file);
        let accepts = move |_: &str| TcpStream::connect((Ipv4Addr::LOCALHOST, listen)).is_ok();
        Ok(HttpService::new(builder, port, TEST_TIMEOUT, accepts))
    })?;
    pooler.start()?;
    Ok(pooler)
}

/// A Redis in cluster mode, with a free port for the cluster bus too.
pub fn redis_in_cluster_mode() -> Result<Private<Redis>> {
    let bus = Port::free()?;
    let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus.number().to_string()];
    redis_with(RedisOptions {
        arguments: arguments.map(str::to_owned).into(),
        ..RedisOptions::default()
    })
}

pub fn nginx(config: &Path, options: NginxOptions) -> Result<Private<HttpService>> {
    let nginx = Private::new(|dir| crate::nginx(config, dir, options))?;
    nginx.start()?;
    Ok(nginx)
}

/// Parses options as the program `C` does, but ignores the environment, so that variables of the
/// developer's shell do not change a test.
pub fn parse_options<C: clap::Parser>(
    options: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> C {
    let command = C::command().mut_args(|option| option.env(None::<&str>));
    let parsed =
        command.try_get_matches_from(options).and_then(|matches| C::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a process that is expected to end without a signal, such as one that is misconfigured.
/// Returns its exit code and its log.
pub fn run_until_exit(builder: &Builder) -> Result<(Option<i32>, String)> {
    let mut process = builder.spawn()?;
    let status = process.wait(TEST_TIMEOUT)?.context("the process did not end")?;
    Ok((status.code(), process.log()))
}

pub fn compose_file() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docker-compose.yml");
    let text = fs::read_to_string(path).expect("docker-compose.yml");
    serde_saphyr::from_str(&text).expect("docker-compose.yml should be YAML")
}

/// The memory limit of a service in docker-compose.yml, in bytes.
pub fn memory_limit(service: &str) -> u64 {
    let limit = &compose_file()["services"][service]["mem_limit"];
    let megabytes = limit.as_str().and_then(|limit| limit.strip_suffix('m')?.parse::<u64>().ok());
    megabytes.expect("mem_limit in megabytes") << 20
}
