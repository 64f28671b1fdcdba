//! A Redis server as a child process. If it is durable, its options are those of docker-compose.yml
//! without the password, unless [`RedisOptions::arguments`] overrides one. A test in `e2e` compares
//! them.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    Certificate, Output, Port, Process, Service, Signal, is_healthy, programs::program, wait_until,
};

/// Loading an append-only file of 512 MB takes seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The reasons for these values are in docker-compose.yml.
const MAX_MEMORY: &str = "128mb";
const MAX_MEMORY_POLICY: &str = "volatile-lru";
const PERSISTENCE_OPTIONS: &str = "--auto-aof-rewrite-percentage 300 --rdbcompression no";

/// How to run a Redis. By default, for tests, it is on a free port and keeps no data on disk.
#[derive(Default)]
pub struct RedisOptions {
    /// `None` chooses a free port.
    pub port: Option<Port>,
    /// Keep the data in an append-only file.
    pub durable: bool,
    pub password: Option<String>,
    /// More arguments of redis-server, such as `--maxmemory 2mb`. They override the defaults.
    pub arguments: Vec<String>,
    /// Accept TLS on a second port, with this certificate.
    pub tls: Option<Certificate>,
    pub output: Output,
}

/// Dropping it stops the server.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    port: Port,
    tls_port: Option<Port>,
    dir: PathBuf,
}

impl Redis {
    /// Prepares a Redis with its files in `dir`, which is created if missing. Does not start it.
    pub fn prepare(dir: &Path, options: RedisOptions) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let port = options.port.map_or_else(Port::free, Ok)?;
        let number = port.number().to_string();
        let mut builder = Process::builder("redis", program("redis-server", "redis-server")?)
            .args(["--bind", "127.0.0.1", "--port", &number, "--daemonize", "no", "--save", ""])
            .args(["--appendonly", if options.durable { "yes" } else { "no" }])
            .args(["--maxmemory", MAX_MEMORY, "--maxmemory-policy", MAX_MEMORY_POLICY])
            .args(PERSISTENCE_OPTIONS.split(' '))
            .arg("--dir")
            .arg(dir)
            .env_clear()
            .dir(dir)
            .death_signal(Signal::TERM)
            .output(options.output);
        if let Some(password) = &options.password {
            builder = builder.args(["--requirepass", password]);
        }
        builder = builder.args(&options.arguments);
        let mut tls_port = None;
        if let Some(certificate) = &options.tls {
            let (chain, key) = certificate.write(dir)?;
            let port = tls_port.insert(Port::free()?).number().to_string();
            builder =
                builder.args(["--tls-port", &port, "--tls-auth-clients", "no", "--tls-cert-file"]);
            builder = builder.arg(chain).arg("--tls-key-file").arg(key);
        }
        let url = format!("redis://127.0.0.1:{number}");
        let service = Service::new(builder, READY_TIMEOUT, move || is_healthy(&url));
        Ok(Self { service, port, tls_port, dir: dir.to_owned() })
    }

    /// Kills it and starts it again without data.
    pub fn restart_empty(&self) -> Result<()> {
        self.service.kill()?;
        fs::remove_dir_all(&self.dir)?;
        fs::create_dir_all(&self.dir)?;
        self.service.start()
    }

    /// Makes it a replica of the Redis on `port`, and waits until it has copied the data.
    pub fn replicate(&self, port: u16) -> Result<()> {
        self.cli(&["REPLICAOF", "127.0.0.1", &port.to_string()])?;
        let is_linked = || {
            let info = self.cli(&["INFO", "replication"]);
            info.is_ok_and(|info| info.contains("master_link_status:up"))
        };
        wait_until("the replica has the data", READY_TIMEOUT, is_linked)
    }

    /// Turns a replica into a primary.
    pub fn promote(&self) -> Result<()> {
        self.cli(&["REPLICAOF", "NO", "ONE"]).map(drop)
    }

    /// Refuses writes that need memory, as a full Redis without eviction does, until
    /// [`Redis::accept_writes`].
    pub fn refuse_writes(&self) -> Result<()> {
        self.set_memory_limit("1", "noeviction")
    }

    /// Sets the default memory limit and eviction policy, even if [`RedisOptions::arguments`] had
    /// set others.
    pub fn accept_writes(&self) -> Result<()> {
        self.set_memory_limit(MAX_MEMORY, MAX_MEMORY_POLICY)
    }

    fn set_memory_limit(&self, limit: &str, policy: &str) -> Result<()> {
        self.cli(&["CONFIG", "SET", "maxmemory", limit, "maxmemory-policy", policy]).map(drop)
    }

    /// Runs a command with redis-cli and returns the reply.
    pub fn cli(&self, command: &[&str]) -> Result<String> {
        let cli = Process::builder("redis-cli", program("redis-cli", "redis-tools")?);
        let cli = cli.args(["-e", "-p", &self.port().to_string()]).args(command).env_clear();
        Ok(cli.run(READY_TIMEOUT)?.trim().to_owned())
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port.as_ref().map(Port::number)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }
}

impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
