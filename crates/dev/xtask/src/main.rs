//! `cargo xtask`: the commands to run and check this checkout. They install missing tools and
//! build. The crate `stack` has the wiring of the system, `e2e` the tests of the running system.

// The standard macros panic if stdout is a closed pipe; those of `terminal` do not.
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
use crate::packages::Confirmation;
use crate::progress::Steps;
use crate::terminal::eprintln;
use crate::up::UpArgs;
use crate::workspace::CargoWorkspace;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Runs and checks the Fibonacci calculator", version)]
struct Cli {
    /// Install missing Debian packages without asking, as the variable CI=true does
    #[arg(long, global = true)]
    yes: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what is missing, build, start everything and print the address
    Up(UpArgs),
    /// Stop what `up` started
    Down,
    /// Stop a service, by its name in `status`; `worker` stands for `worker-1`, `worker-2`, …
    Stop { service: String },
    /// Start a service that `stop` has stopped
    Start { service: String },
    /// Show each service with its address and health; exit code 1 if one is not healthy
    Status,
    /// Set up what is missing and run all checks that need no Docker
    Test {
        /// Run only the tests whose names contain this, and no lints
        #[arg(conflicts_with_all = ["docker", "docker_dev"])]
        filter: Option<String>,
        /// Instead, build the production images, and test them and their stack on a Docker Engine
        #[arg(long)]
        docker: bool,
        /// Instead, test the development stack, which compiles everything in containers
        #[arg(long, conflicts_with = "docker")]
        docker_dev: bool,
    },
    /// Put the system under load while its services fail, and check that nothing is lost
    Chaos(ChaosArgs),
    /// Measure the product against its alternatives, and write BENCHMARKS.md
    Bench(BenchArgs),
    /// Rehearse a deployment on a Docker Engine: .travis.yml, a registry, Dockerrun.aws.json
    Rehearse {
        /// Port of this machine for the deployed site
        #[arg(long, default_value_t = 80)]
        port: u16,
    },
    /// Build the page (client/dist) if its sources have changed
    Client,
    /// Write .sqlx, the types of the server's SQL, so that it builds without a database
    Queries {
        /// Write nothing; fail if .sqlx does not match the sources
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let Cli { yes, task } = Cli::parse();
    match run(task, Confirmation::new(yes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, confirmation: Confirmation) -> anyhow::Result<()> {
    terminal::listen_for_interrupts()?;
    let workspace = CargoWorkspace::find()?;
    match task {
        Task::Up(up) => up.run(&workspace, confirmation),
        Task::Down => up::down(&workspace),
        Task::Stop { service } => up::stop_service(&workspace, &service),
        Task::Start { service } => up::start_service(&workspace, &service),
        Task::Status => up::status(&workspace),
        Task::Test { docker: true, .. } => docker::run(&workspace, confirmation, false),
        Task::Test { docker_dev: true, .. } => docker::run(&workspace, confirmation, true),
        Task::Test { filter, .. } => checks::run(&workspace, confirmation, filter.as_deref()),
        Task::Chaos(chaos) => chaos.run(&workspace, confirmation),
        Task::Bench(bench) => bench.run(&workspace, confirmation),
        Task::Rehearse { port } => docker::rehearse(&workspace, confirmation, port),
        Task::Client => up::client(&workspace),
        Task::Queries { check } => {
            let packages = packages::confirm(packages::POSTGRES, confirmation)?;
            let steps = Steps::new(&workspace);
            packages.install(&steps)?;
            steps.run("the types of the server's SQL", |step| queries::run(step, &workspace, check))
        }
    }
}
