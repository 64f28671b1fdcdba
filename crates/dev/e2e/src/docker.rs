//! Containers, by the `docker` command: the stack of docker-compose.yml under a project name and on
//! a port of its own, and single containers. All of them are removed at the end with their data.
//! The images are built before, by `cargo xtask test --docker`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use stack::{Port, lock};

use crate::{Site, root};

#[derive(Debug)]
pub struct Compose {
    project: String,
    root: PathBuf,
    files: &'static [&'static str],
    env: Vec<(String, String)>,
    _port: Port,
}

impl Compose {
    /// Describes the stack of the checkout in `root`, not yet up. `env` is what a person would
    /// write into `.env`.
    pub fn new(root: &Path, files: &'static [&'static str], env: &[(&str, &str)]) -> Site<Self> {
        let port = Port::free().expect("a port should be free");
        let number = port.number().to_string();
        let port_variable = [("PORT", number.as_str())];
        let env = env.iter().chain(&port_variable);
        let stack = Self {
            project: format!("fibonacci-test-{}-{number}", std::process::id()),
            root: root.to_owned(),
            files,
            env: env.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            _port: port,
        };
        Site::new(stack, format!("http://127.0.0.1:{number}"))
    }

    /// Starts the production stack with these further options, and returns when all of it is
    /// healthy.
    pub fn up(env: &[(&str, &str)], options: &[&str]) -> Site<Self> {
        let stack = Self::new(root(), &["docker-compose.yml"], env);
        let up = [&["up", "--detach", "--wait", "--no-build"], options].concat();
        stack.compose(&up).expect("the stack should come up");
        stack
    }

    /// Runs `docker compose` on this stack, and returns its stdout.
    pub fn compose(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", &self.project]).current_dir(&self.root);
        command.args(self.files.iter().flat_map(|file| ["--file", file]));
        // The developer's own .env is not the test's.
        command.args(["--env-file", "/dev/null"]).envs(self.env.iter().cloned());
        run(command.args(args))
    }

    pub fn containers(&self, service: &str) -> Vec<String> {
        let ids =
            self.compose(&["ps", "--all", "--quiet", service]).expect("compose should answer");
        ids.lines().map(str::to_owned).collect()
    }

    /// The Docker network of that name in docker-compose.yml.
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
            eprintln!("{} could not be taken down: {error:#}", self.project);
        }
    }
}

/// Containers outside of Compose, on Docker's default bridge.
#[derive(Debug, Default)]
pub struct Containers(Mutex<Vec<String>>);

impl Containers {
    /// `docker run --detach` with these arguments; returns the container's id.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        // Created first: one that cannot be started has to be removed too.
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

pub fn docker(args: &[&str]) -> Result<String> {
    run(Command::new("docker").args(args))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("starting docker")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed ({}):\n{stderr}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
