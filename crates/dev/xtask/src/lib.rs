//! `cargo xtask`: the commands that a person types in this checkout. `up` runs the whole system from nothing,
//! `test` runs everything that checks it.
//!
//! It installs what is missing, builds, starts real parts (crate `stack`) and watches them. It knows the
//! binaries only by their names, their environment and their health addresses, and no code of theirs.

mod artifacts;
mod bench;
mod checks;
mod docker;
mod interrupt;
mod packages;
mod progress;
mod queries;
mod report;
mod services;
mod state;
mod supervise;
mod tools;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{bench::Bench, checks::Chaos, progress::Steps, up::Up, workspace::Workspace};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Runs and checks the Fibonacci calculator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up what is missing, build, start everything and print the address
    Up(Up),
    /// Stop what `up` started
    Down,
    /// Show what runs, where, and whether it is healthy; exit code 1 when a part is not
    Status,
    /// Set up what is missing and run every test there is
    Test {
        /// Run only the tests whose names contain this, and no lints
        #[arg(conflicts_with_all = ["docker", "docker_dev"])]
        filter: Option<String>,
        /// Instead, build the production images and test them and their stack on a Docker Engine
        #[arg(long)]
        docker: bool,
        /// Instead, test the development stack: a saved line is seen live; compiles everything in containers
        #[arg(long, conflicts_with = "docker")]
        docker_dev: bool,
    },
    /// Put the system under load while its parts fail, and compare the accounts afterwards
    Chaos(Chaos),
    /// Measure the product against what else a user would take, and write BENCHMARKS.md
    Bench(Bench),
    /// Play the way to production on a Docker Engine: .travis.yml, a registry, Dockerrun.aws.json
    Rehearse {
        /// The port of this machine where the site is to be
        #[arg(long, default_value_t = 80)]
        port: u16,
    },
    /// Build the page (client/dist) if it is older than its sources
    Client,
    /// Write .sqlx, the types of the server's SQL, which its build needs where there is no database
    Queries {
        /// Write nothing; fail when .sqlx is not what the sources say
        #[arg(long)]
        check: bool,
    },
}

/// Runs the command line of this process. An error is one message on stderr and exit code 1.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = interrupt::install().and_then(|()| Workspace::find()).and_then(|workspace| {
        match cli.command {
            Command::Up(up) => up.run(&workspace),
            Command::Down => up::down(&workspace),
            Command::Status => up::status(&workspace),
            Command::Test { docker: true, .. } => docker::run(&workspace, docker::Stack::Production),
            Command::Test { docker_dev: true, .. } => docker::run(&workspace, docker::Stack::Development),
            Command::Test { filter, .. } => checks::run(&workspace, filter.as_deref()),
            Command::Chaos(chaos) => chaos.run(&workspace),
            Command::Bench(bench) => bench.run(&workspace),
            Command::Rehearse { port } => docker::rehearse(&workspace, port),
            Command::Client => up::client(&workspace),
            Command::Queries { check } => {
                let steps = Steps::new(&workspace);
                packages::ensure(&steps, packages::POSTGRES)?;
                steps.run("the types of the server's SQL", |step| queries::run(step, &workspace, check))
            }
        }
        .map(|()| ExitCode::SUCCESS)
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", explain(&error));
        ExitCode::FAILURE
    })
}

/// An error and its causes on one line, each thing said once: some errors name their cause themselves.
fn explain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match () {
        () if said.is_empty() => cause,
        () if said.contains(&cause) => said,
        () => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_says_each_cause_once() {
        let error =
            anyhow::anyhow!("no such file").context("reading x: no such file").context("the page failed");
        assert_eq!(explain(&error), "the page failed: reading x: no such file");
    }
}
