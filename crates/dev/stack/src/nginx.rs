//! An nginx that runs one of the images' configuration templates outside of an image: `${NAME}` placeholders are
//! filled in, nginx's own `$variables` are left alone. What the configuration says is not this module's business.
//!
//! Whether it is right, nginx says.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    ops::Deref,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Output, Port, Process, Service, Signal, programs::program};

/// nginx is up in milliseconds, or not at all.
const READY: Duration = Duration::from_secs(15);

/// How an nginx is run. The default: on a free port of 127.0.0.1, with no variables but `LISTEN` and `RUN_DIR`.
#[derive(Clone, Debug, Default)]
pub struct NginxOptions {
    /// What messages call it; `nginx` when empty.
    pub name: String,
    /// The port; a free one when `None`.
    pub port: Option<Port>,
    /// Values of the template's placeholders. `LISTEN` (`127.0.0.1:<port>`) and `RUN_DIR` (the folder) need
    /// not be given.
    pub variables: Vec<(String, String)>,
    /// What becomes of its logs.
    pub output: Output,
}

/// A running nginx; stopped when dropped. [`Service`] has `kill`, `start`, `restart`, `signal`.
#[derive(Debug)]
pub struct Nginx {
    service: Service,
    port: Port,
}

impl Nginx {
    /// Renders `template` into `dir` (created when missing), starts nginx on it and waits until it listens.
    pub fn start(template: &Path, dir: &Path, options: NginxOptions) -> Result<Self> {
        let nginx = Self::prepare(template, dir, options)?;
        nginx.service.start()?;
        Ok(nginx)
    }

    /// Like [`Nginx::start`], without starting it.
    pub fn prepare(template: &Path, dir: &Path, options: NginxOptions) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let dir = fs::canonicalize(dir)?;
        let port = options.port.map_or_else(Port::free, Ok)?;
        let number = port.number();

        let mut variables = options.variables;
        let default = [("LISTEN", format!("127.0.0.1:{number}")), ("RUN_DIR", dir.display().to_string())];
        variables.extend(default.map(|(name, value)| (name.to_owned(), value)));
        let text = fs::read_to_string(template).with_context(|| format!("reading {}", template.display()))?;
        let config = dir.join("nginx.conf");
        fs::write(&config, render(&text, template, &variables)?)?;

        let nginx = program("nginx", "nginx")?;
        // Debian's nginx starts as root and its workers change to www-data, who may not read a checkout in /root.
        let root = rustix::process::geteuid().is_root();
        let directives = if root { "daemon off; user root;" } else { "daemon off;" };
        let name = if options.name.is_empty() { "nginx".to_owned() } else { options.name };
        let builder = Process::builder(name, &nginx)
            .arg("-p")
            .arg(&dir)
            .arg("-c")
            .arg(&config)
            .args(["-g", directives])
            .args(early_log(&nginx))
            .env_clear()
            .dir(dir)
            .stop_signal(Signal::QUIT)
            // QUIT waits for open connections, and an event stream never closes; TERM after a moment.
            .stop_timeout(Duration::from_secs(1))
            // Its workers survive a master that is killed, so the master has to be asked.
            .death_signal(Signal::TERM)
            .output(options.output);
        let listens = move || TcpStream::connect((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(Self { service: Service::new(builder, READY, listens), port })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }
}

impl Deref for Nginx {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Until it has read its configuration nginx logs to the system's log, unless told; before 1.19.5 it cannot be.
fn early_log(nginx: &Path) -> &'static [&'static str] {
    let mut probe = Command::new(nginx);
    probe.args(["-e", "stderr", "-v"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) { &["-e", "stderr"] } else { &[] }
}

/// Replaces each `${NAME}` (capitals, digits, underscores) by its value, the first of that name in `variables`.
pub fn render(text: &str, template: &Path, variables: &[(String, String)]) -> Result<String> {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, placeholder) = rest.split_at(start);
        rendered.push_str(before);
        let name = placeholder[2..].split('}').next().unwrap_or_default();
        let is_ours = !name.is_empty()
            && name.len() + 2 < placeholder.len()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_ours {
            let unset = || format!("{}: the variable ${{{name}}} is not set", template.display());
            let (_, value) = variables.iter().find(|(known, _)| known == name).with_context(unset)?;
            rendered.push_str(value);
            rest = &placeholder[name.len() + 3..];
        } else {
            rendered.push_str("${");
            rest = &placeholder[2..];
        }
    }
    rendered.push_str(rest);
    Ok(rendered)
}
