//! `cargo xtask`: the commands that a developer types in this checkout. It installs what is missing
//! and builds; how the system is wired is in the crate `stack`, the tests of the running system are
//! in `e2e`.

// They panic when stdout is a closed pipe; `terminal` has macros that do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod artifacts;
mod bench;
mod checks;
mod docker;
mod packages;
mod progress;
mod queries;
mod report;
mod state;
mod supervise;
mod terminal;
mod tools;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::checks::ChaosArgs;
use crate::progress::Steps;
use crate::terminal::eprintln;
use crate::up::UpArgs;
use crate::workspace::CargoWorkspace;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Runs and checks the Fibonacci calculator", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what is missing, build, start everything and print the address
    Up(UpArgs),
    /// Stop what `up` started
    Down,
    /// Show what runs, where, and whether it is healthy; exit code 1 when a service is not
    Status,
    /// Set up what is missing and run every test there is
    Test {
        /// Run only the tests whose names contain this, and no lints
        #[arg(conflicts_with_all = ["docker", "docker_dev"])]
        filter: Option<String>,
        /// Instead, build the production images and test them and their stack on a Docker Engine
        #[arg(long)]
        docker: bool,
        /// Instead, test the development stack, which compiles everything in containers
        #[arg(long, conflicts_with = "docker")]
        docker_dev: bool,
    },
    /// Put the system under load while its services fail, and check that nothing was lost
    Chaos(ChaosArgs),
    /// Measure the product against its alternatives, and write BENCHMARKS.md
    Bench(BenchArgs),
    /// Rehearse a deployment on a Docker Engine: .travis.yml, a registry, Dockerrun.aws.json
    Rehearse {
        /// The port of this machine where the site is to be
        #[arg(long, default_value_t = 80)]
        port: u16,
    },
    /// Build the page (client/dist) if it is older than its sources
    Client,
    /// Write .sqlx, the types of the server's SQL, which its build needs where there is no database
    Queries {
        /// Write nothing; fail when .sqlx does not match the sources
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    terminal::listen_for_interrupts()?;
    let workspace = CargoWorkspace::find()?;
    match task {
        Task::Up(up) => up.run(&workspace),
        Task::Down => up::down(&workspace),
        Task::Status => up::status(&workspace),
        Task::Test { docker: true, .. } => docker::run(&workspace, false),
        Task::Test { docker_dev: true, .. } => docker::run(&workspace, true),
        Task::Test { filter, .. } => checks::run(&workspace, filter.as_deref()),
        Task::Chaos(chaos) => chaos.run(&workspace),
        Task::Bench(bench) => bench.run(&workspace),
        Task::Rehearse { port } => docker::rehearse(&workspace, port),
        Task::Client => up::client(&workspace),
        Task::Queries { check } => {
            let steps = Steps::new(&workspace);
            packages::ensure(&steps, packages::POSTGRES)?;
            steps.run("the types of the server's SQL", |step| queries::run(step, &workspace, check))
        }
    }
}
