//! `cargo xtask bench`: sets up the peers (the programs that the product is compared with), builds
//! the product, and runs the benchmark in the crate `bench`, which writes BENCHMARKS.md.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use stack::Process;

use crate::artifacts::{self, Profile};
use crate::packages::{self, Confirmation};
use crate::progress::{Step, Steps};
use crate::report::Report;
use crate::tools;
use crate::workspace::CargoWorkspace;

const GMPY2: &str = "gmpy2==2.3.2";

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Measure only the sections whose names contain this, and do not write BENCHMARKS.md
    section: Option<String>,
}

impl BenchArgs {
    pub(crate) fn run(&self, workspace: &CargoWorkspace, confirmation: Confirmation) -> Result<()> {
        let required = [packages::UP, packages::NODE, packages::BENCHMARK].concat();
        let packages = packages::confirm(&required, confirmation)?;
        let steps = Steps::new(workspace);
        packages.install(&steps)?;
        let tools = steps.run("tools for the page", |step| tools::for_page(step, workspace))?;
        let python = steps.run("GMP", |step| tools::from_pypi(step, GMPY2, "python"))?;
        let node = steps.run("the Node edition", |step| node_edition(step, workspace))?;

        // Before the report: after a failed build, it would measure the old binaries.
        steps.run("server and worker", |step| {
            artifacts::binaries(step, workspace, Profile::Release)
        })?;
        steps.run("the page", |step| artifacts::page(step, workspace, &tools))?;
        let engine = workspace.cargo(&["build", "--release", "-p", "fibonacci", "--examples"]);
        steps.run("the engine", |step| step.command(engine))?;

        let mut report = Report::new(&steps)?;
        let bench = workspace
            .cargo(&["bench", "-p", "bench"])
            .env("PYTHON", python)
            .env("NODE_EDITION", node);
        report.tests(
            "benchmarks",
            Ok(bench.args(self.section.iter().flat_map(|section| ["--", section]))),
        );
        report.finish()
    }
}

/// The folder of the Node edition with its dependencies from npm.
fn node_edition(step: &Step, workspace: &CargoWorkspace) -> Result<PathBuf> {
    let dir = workspace.target.join("node-edition");
    fs::create_dir_all(&dir)?;
    for file in ["package.json", "server.js"] {
        let source = workspace.root.join("crates/dev/bench/peers/node").join(file);
        fs::copy(&source, dir.join(file))
            .with_context(|| format!("copying {}", source.display()))?;
    }
    let npm = Process::builder("npm", "npm").args(["install", "--no-audit", "--no-fund"]).dir(&dir);
    step.command(npm)?;
    Ok(dir)
}
