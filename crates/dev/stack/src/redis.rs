//! A Redis on a port of its own, with the options of docker-compose.yml (`e2e` compares them).

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    Certificate, Output, Port, Process, Service, Signal, is_healthy, programs::program, wait_until,
};

/// Reading back an append-only file of 512 MB takes seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Memory, eviction and persistence. docker-compose.yml says why.
const MAX_MEMORY: &str = "128mb";
const MAX_MEMORY_POLICY: &str = "volatile-lru";
const OPTIONS: &str = "--auto-aof-rewrite-percentage 300 --rdbcompression no";

/// How a Redis is run. The default is for tests: nothing survives, on a free port.
#[derive(Default)]
pub struct RedisOptions {
    /// A free one when `None`.
    pub port: Option<Port>,
    /// Keep the data in an append-only file.
    pub durable: bool,
    pub password: Option<String>,
    /// Further arguments, which win over the others.
    pub arguments: Vec<String>,
    /// Accept TLS on a second port, with this certificate.
    pub tls: Option<Certificate>,
    pub output: Output,
}

/// Stopped when dropped.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    port: Port,
    tls_port: Option<Port>,
    dir: PathBuf,
}

impl Redis {
    /// A Redis with its files in `dir` (created when missing), not yet started.
    pub fn prepare(dir: &Path, options: RedisOptions) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let port = options.port.map_or_else(Port::free, Ok)?;
        let number = port.number().to_string();
        let mut builder = Process::builder("redis", program("redis-server", "redis-server")?)
            .args(["--bind", "127.0.0.1", "--port", &number, "--daemonize", "no", "--save", ""])
            .args(["--appendonly", if options.durable { "yes" } else { "no" }])
            .args(["--maxmemory", MAX_MEMORY, "--maxmemory-policy", MAX_MEMORY_POLICY])
            .args(OPTIONS.split(' '))
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

    /// Kills it and starts it again with nothing in it.
    pub fn restart_empty(&self) -> Result<()> {
        self.service.kill()?;
        fs::remove_dir_all(&self.dir)?;
        fs::create_dir_all(&self.dir)?;
        self.service.start()
    }

    /// Makes it a replica of the Redis on `port`, and waits until it has the data.
    pub fn replicate(&self, port: u16) -> Result<()> {
        self.cli(&["REPLICAOF", "127.0.0.1", &port.to_string()])?;
        let is_linked = || {
            let info = self.cli(&["INFO", "replication"]);
            info.is_ok_and(|info| info.contains("master_link_status:up"))
        };
        wait_until("the replica has the data", READY_TIMEOUT, is_linked)
    }

    /// Makes it a primary.
    pub fn promote(&self) -> Result<()> {
        self.cli(&["REPLICAOF", "NO", "ONE"]).map(drop)
    }

    /// Refuses writes, for lack of memory and without eviction, until [`Self::accept_writes`].
    pub fn refuse_writes(&self) -> Result<()> {
        self.set_memory("1", "noeviction")
    }

    pub fn accept_writes(&self) -> Result<()> {
        self.set_memory(MAX_MEMORY, MAX_MEMORY_POLICY)
    }

    fn set_memory(&self, bytes: &str, policy: &str) -> Result<()> {
        self.cli(&["CONFIG", "SET", "maxmemory", bytes, "maxmemory-policy", policy]).map(drop)
    }

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
