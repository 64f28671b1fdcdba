//! Starts containers with the `docker` command: a stack of docker-compose.yml ([`Compose`]), and
//! single containers ([`Containers`]). Dropping such a value removes its containers and their data.
//! The images must exist.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use stack::{Port, lock};

use crate::{Site, root};

/// A stack of Compose, with a project name and a port of its own.
#[derive(Debug)]
pub struct Compose {
    project: String,
    root: PathBuf,
    /// Compose files, relative to `root`.
    files: &'static [&'static str],
    env: Vec<(String, String)>,
    /// Reserves the port of the stack.
    _port: Port,
}

impl Compose {
    /// Describes a stack of the checkout in `root` without starting it. `env` has the variables for
    /// the Compose files; the file `.env` is not read.
    pub fn new(root: &Path, files: &'static [&'static str], env: &[(&str, &str)]) -> Site<Self> {
        let port = Port::free().expect("a port should be free");
        let number = port.number().to_string();
        let port_env = [("PORT", number.as_str())];
        let env = env.iter().chain(&port_env);
        let stack = Self {
            project: format!("fibonacci-test-{}-{number}", std::process::id()),
            root: root.to_owned(),
            files,
            env: env.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            _port: port,
        };
        Site::new(stack, format!("http://127.0.0.1:{number}"))
    }

    /// Starts the production stack by `docker compose up` with these further options, and waits
    /// until all services are healthy.
    pub fn up(env: &[(&str, &str)], options: &[&str]) -> Site<Self> {
        let stack = Self::new(root(), &["docker-compose.yml"], env);
        let up = [&["up", "--detach", "--wait", "--no-build"], options].concat();
        stack.compose(&up).expect("the stack should start");
        stack
    }

    /// Runs `docker compose` for this stack, and returns its stdout.
    pub fn compose(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", &self.project]).current_dir(&self.root);
        command.args(self.files.iter().flat_map(|file| ["--file", file]));
        // Not the developer's .env, which would change the test.
        command.args(["--env-file", "/dev/null"]).envs(self.env.iter().cloned());
        run(command.args(args))
    }

    /// The ids of a service's containers.
    pub fn containers(&self, service: &str) -> Vec<String> {
        let ids = self.compose(&["ps", "--all", "--quiet", service]);
        ids.expect("compose should list the containers").lines().map(str::to_owned).collect()
    }

    /// The Docker name of a network in docker-compose.yml.
    pub fn network(&self, name: &str) -> String {
        format!("{}_{name}", self.project)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.compose(&["logs", "--no-color", "--tail=40"]).unwrap_or_default();
            eprintln!("{log}");
        }
        if let Err(error) = self.compose(&["down", "--volumes", "--remove-orphans", "--timeout=10"])
        {
            eprintln!("cannot remove the stack {}: {error:#}", self.project);
        }
    }
}

/// Containers without Compose, in Docker's default bridge network.
#[derive(Debug, Default)]
pub struct Containers(Mutex<Vec<String>>);

impl Containers {
    /// Runs a container in the background with these arguments of `docker run`. Returns its id.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        // Not `docker run`: if the container cannot start, it returns no id to remove it by.
        let id = docker(&[&["create"], args].concat())?;
        lock(&self.0).push(id.clone());
        docker(&["start", &id])?;
        Ok(id)
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for id in lock(&self.0).iter() {
            if std::thread::panicking() {
                eprintln!("{}", docker(&["logs", "--tail=40", id]).unwrap_or_default());
            }
            let _ = docker(&["rm", "--force", "--volumes", id]);
        }
    }
}

/// Runs `docker`, and returns its stdout.
pub fn docker(args: &[&str]) -> Result<String> {
    run(Command::new("docker").args(args))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("starting docker")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed ({}):\n{stderr}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
