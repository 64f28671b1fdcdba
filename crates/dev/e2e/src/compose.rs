//! The stack of docker-compose.yml, brought up for a test under a project name and on a port of its own, and taken down
//! with its volumes. The images are those of the compose files: `cargo xtask test --docker` builds them first.
//!
//! Everything is asked of the `docker` program, as a person would; nothing here talks to the engine's socket.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stack::Port;

use crate::artifacts;

/// For one request to a stack that is starting, or busy building itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running stack.
#[derive(Debug)]
pub struct Compose {
    project: String,
    root: PathBuf,
    files: Vec<&'static str>,
    env: Vec<(String, String)>,
    port: Port,
    http: reqwest::Client,
}

impl Compose {
    /// Describes the stack of the checkout in `root` (ours when `None`), not yet up. `env` is what a person would write
    /// into `.env`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(root: Option<&Path>, files: &[&'static str], env: &[(&str, &str)]) -> Result<Self> {
        let port = Port::free()?;
        let http =
            reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE).build()?;
        let mut env: Vec<_> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        env.push(("PORT".to_owned(), port.number().to_string()));
        Ok(Self {
            project: format!("fibonacci-test-{}-{}", std::process::id(), port.number()),
            root: root.unwrap_or(artifacts::root()).to_owned(),
            files: files.to_vec(),
            env,
            port,
            http,
        })
    }

    /// Brings up the production stack, and returns when all of it is healthy.
    ///
    /// # Errors
    /// With what Compose said.
    pub fn up(env: &[(&str, &str)]) -> Result<Self> {
        let stack = Self::new(None, &["docker-compose.yml"], env)?;
        stack.compose(&["up", "--detach", "--wait", "--no-build"])?;
        Ok(stack)
    }

    /// Runs `docker compose` on this stack, and returns what it wrote to stdout.
    ///
    /// # Errors
    /// With what it said, when it failed.
    pub fn compose(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", &self.project]).current_dir(&self.root);
        self.files.iter().for_each(|file| {
            command.args(["--file", file]);
        });
        // A person's own settings are not the test's.
        command.args(["--env-file", "/dev/null"]).envs(self.env.iter().cloned());
        run(command.args(args))
    }

    /// The containers of a service, by their ids, oldest first.
    ///
    /// # Errors
    /// As [`Compose::compose`].
    pub fn containers(&self, service: &str) -> Result<Vec<String>> {
        let ids = self.compose(&["ps", "--all", "--quiet", service])?;
        Ok(ids.lines().map(str::to_owned).collect())
    }

    /// The network of that name in docker-compose.yml.
    #[must_use]
    pub fn network(&self, name: &str) -> String {
        format!("{}_{name}", self.project)
    }

    /// The edge's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// A request to the edge.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url()))
    }

    /// A GET through the edge.
    ///
    /// # Errors
    /// When nobody answers; any status is a success.
    pub async fn get(&self, path: &str) -> Result<reqwest::Response> {
        self.request(Method::GET, path).send().await.with_context(|| format!("GET {path}"))
    }

    /// Submits an index through the edge.
    ///
    /// # Errors
    /// As [`Compose::get`].
    pub async fn submit(&self, index: u32) -> Result<reqwest::Response> {
        let body = json!({ "index": index.to_string() });
        self.request(Method::POST, "/api/values").json(&body).send().await.context("POST /api/values")
    }

    /// What `/api/values/current` says of an index, if it answers and knows it.
    pub async fn value(&self, index: u32) -> Option<String> {
        let answer = self.get("/api/values/current").await.ok()?;
        let values: Value = answer.json().await.ok()?;
        values.get(index.to_string())?.as_str().map(str::to_owned)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.compose(&["logs", "--no-color", "--tail=40"]).unwrap_or_default();
            eprintln!("{log}");
        }
        if let Err(error) = self.compose(&["down", "--volumes", "--remove-orphans", "--timeout=10"]) {
            eprintln!("{} could not be taken down: {error:#}", self.project);
        }
    }
}

/// Runs `docker`, and returns what it wrote to stdout.
///
/// # Errors
/// With what it said, when it failed.
pub fn docker(args: &[&str]) -> Result<String> {
    run(Command::new("docker").args(args))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("starting docker")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed ({}):\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
