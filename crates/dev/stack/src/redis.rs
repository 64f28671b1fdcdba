//! A private Redis on a port of its own. It speaks no Redis: the tests have a real client.
//!
//! That it is run as docker-compose.yml has it, but for what a test asks for, is held by a test of `e2e`.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Certificate, Error, Output, Port, Process, Result, Service, Signal, answers, programs::program};

/// Generous: reading back an append-only file of the size below takes seconds.
const READY: Duration = Duration::from_secs(60);

/// How a Redis is run. The default is for tests: nothing survives, on a free port.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The port; a free one when `None`.
    pub port: Option<Port>,
    /// Keep the data in an append-only file.
    pub durable: bool,
    /// Ask every client for this password.
    pub password: Option<String>,
    /// Speak TLS on a second port, with this certificate.
    pub tls: Option<Certificate>,
    /// The most memory it may hold, as Redis writes it (`256mb`). Beyond it, keys with an expiry are evicted.
    pub max_memory: String,
    /// What becomes of its log.
    pub output: Output,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            port: None,
            durable: false,
            password: None,
            tls: None,
            max_memory: "256mb".to_owned(),
            output: Output::kept(),
        }
    }
}

/// A running Redis; stopped when dropped. [`Service`] has `kill`, `start`, `restart`, `signal`.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    port: Port,
    tls_port: Option<Port>,
    dir: PathBuf,
}

impl Redis {
    /// Starts Redis with its files in `dir` (created when missing) and waits until it answers.
    ///
    /// # Errors
    /// When Redis is not installed, does not start, or `dir` cannot be created.
    pub fn start(dir: &Path, options: RedisOptions) -> Result<Self> {
        let redis = Self::prepare(dir, options)?;
        redis.service.start()?;
        Ok(redis)
    }

    /// Like [`Redis::start`], without starting it.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub fn prepare(dir: &Path, options: RedisOptions) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::io(format!("creating {}", dir.display())))?;
        let port = options.port.map_or_else(Port::free, Ok)?;
        let number = port.number();
        let mut more = Vec::new();
        if let Some(password) = &options.password {
            more.extend(["--requirepass".to_owned(), password.clone()]);
        }
        let mut tls_port = None;
        if let Some(certificate) = &options.tls {
            let (chain, key) = certificate.write(dir)?;
            let port = tls_port.insert(Port::free()?);
            more.extend([
                "--tls-port".to_owned(),
                port.number().to_string(),
                "--tls-auth-clients".to_owned(),
            ]);
            more.extend(["no".to_owned(), "--tls-cert-file".to_owned(), chain.display().to_string()]);
            more.extend(["--tls-key-file".to_owned(), key.display().to_string()]);
        }
        let builder = Process::builder("redis", program("redis-server", "redis-server")?)
            .args(["--bind", "127.0.0.1", "--port", &number.to_string(), "--daemonize", "no", "--save", ""])
            .args(["--appendonly", if options.durable { "yes" } else { "no" }])
            .args(["--auto-aof-rewrite-percentage", "300", "--rdbcompression", "no"])
            .args(["--maxmemory", &options.max_memory, "--maxmemory-policy", "volatile-lru"])
            .args(more)
            .arg("--dir")
            .arg(dir)
            .dir(dir)
            .death_signal(Signal::TERM)
            .output(options.output);
        let url = format!("redis://127.0.0.1:{number}");
        let service = Service::new(builder, READY, move || answers(&url));
        Ok(Self { service, port, tls_port, dir: dir.to_owned() })
    }

    /// Kills it and starts it again with nothing in it.
    ///
    /// # Errors
    /// As [`Service::kill`] and [`Service::start`].
    pub fn restart_empty(&self) -> Result<()> {
        self.service.kill()?;
        fs::remove_dir_all(&self.dir)
            .and_then(|()| fs::create_dir_all(&self.dir))
            .map_err(Error::io(format!("emptying {}", self.dir.display())))?;
        self.service.start()
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its port for TLS, if it was given a certificate.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port.as_ref().map(Port::number)
    }

    /// `redis://127.0.0.1:<port>`.
    #[must_use]
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
