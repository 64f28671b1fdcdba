//! `cargo xtask test`: everything that checks this workspace and needs no Docker. And `cargo xtask
//! chaos`: one of these checks, longer and under more load.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use stack::{Builder, Process, find_program};

use crate::artifacts::{self, Profile};
use crate::progress::{Step, Steps};
use crate::report::{CheckOutcome, Report};
use crate::workspace::CargoWorkspace;
use crate::{packages, queries, tools};

/// The browser starts slowly on a busy machine; wasm-bindgen's own bound is 20 s.
const BROWSER_SECONDS: &str = "120";

const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// They check the page's speed and accessibility. The newest Lighthouse that Debian's nodejs runs.
const AUDITORS: &[&str] = &["lighthouse@12.8.2", "axe-core@4.14.1"];

/// The database of advisories is a few MB.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets up what is missing and runs everything, or only the tests whose names contain `filter`.
pub(crate) fn run(workspace: &CargoWorkspace, filter: Option<&str>) -> Result<()> {
    let steps = Steps::new(workspace);
    packages::ensure(&steps, packages::UP)?;
    packages::ensure(&steps, packages::BROWSER)?;
    let tools = steps.run("tools for the page", |step| tools::for_page(step, workspace))?;

    let mut report = Report::new(&steps)?;
    let wasm = ["--target", "wasm32-unknown-unknown"];
    if filter.is_none() {
        let deny = ["--all-targets", "--", "-D", "warnings"];
        report.command("format", workspace.cargo(&["fmt", "--all", "--check"]));
        report.command("lints", workspace.cargo(&["clippy", "--workspace"]).args(deny));
        report.command(
            "lints of the page",
            workspace.cargo(&["clippy", "-p", "client"]).args(wasm).args(deny),
        );
        report.step("dependencies", |step| {
            let deny = cargo_deny(step, workspace)?;
            step.command(deny.args(["--locked", "check", "licenses", "bans", "sources"])).map(drop)
        });
        report.skippable_step("advisories", |step| check_advisories(step, workspace));
        report.step("types of the SQL", |step| queries::run(step, workspace, true));
    }
    // Server and worker too, because they have tests that run them. The commands below select the
    // whole workspace as well: for another selection, cargo compiles most dependencies again.
    report.command("building the tests", workspace.cargo(&["test", "--workspace", "--no-run"]));
    report.step("the page", |step| artifacts::page(step, workspace, &tools));

    let all = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    report.tests("tests", Ok(all.args(filter)));
    if filter.is_none() {
        let described =
            steps.run("schemathesis", |step| tools::from_pypi(step, SCHEMATHESIS, "schemathesis"));
        let drive = |program| {
            let described =
                workspace.cargo(&["test", "--workspace", "--test", "api", "--", "described"]);
            described.args(["--ignored", "--nocapture"]).env("SCHEMATHESIS", program)
        };
        report.tests("the api against its description", described.map(drive));

        let auditors = packages::ensure(&steps, packages::NODE)
            .and_then(|()| steps.run("lighthouse and axe", |step| tools::from_npm(step, AUDITORS)));
        let audit = |modules| {
            let audited = workspace.cargo(&["test", "--workspace", "--test", "page_audit", "--"]);
            let audited = audited.args(["--ignored", "--nocapture", "--test-threads=1"]);
            audited.env("NODE_MODULES", modules)
        };
        report.tests("the page's audit", auditors.map(audit));
    }
    let in_browser = || -> Result<Builder> {
        let driver = find_program("chromedriver").unwrap_or_default();
        let builder =
            workspace.cargo(&["test", "-p", "client"]).args(wasm).env("PATH", tools.path()?);
        let builder =
            builder.env("CHROMEDRIVER", driver).env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_SECONDS);
        Ok(builder.args(filter))
    };
    report.tests("tests of the page in a browser", in_browser());
    report.finish()
}

fn cargo_deny(step: &Step, workspace: &CargoWorkspace) -> Result<Builder> {
    Ok(Process::builder("cargo deny", tools::cargo_deny(step)?).dir(&workspace.root))
}

/// Fetches the database first: `check` has one exit code for a failed fetch and an advisory.
fn check_advisories(step: &Step, workspace: &CargoWorkspace) -> Result<CheckOutcome> {
    let deny = cargo_deny(step, workspace)?;
    if deny.clone().args(["fetch", "db"]).run(FETCH_TIMEOUT).is_err() {
        return Ok(CheckOutcome::Skipped("the database of advisories cannot be fetched"));
    }
    step.command(deny.args(["--locked", "check", "advisories"]))?;
    Ok(CheckOutcome::Passed)
}

#[derive(Args)]
pub(crate) struct ChaosArgs {
    /// How long faults are injected, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Submissions a second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Repeat the run with this seed; a new one when not given
    #[arg(long)]
    seed: Option<u64>,
}

impl ChaosArgs {
    pub(crate) fn run(&self, workspace: &CargoWorkspace) -> Result<()> {
        let steps = Steps::new(workspace);
        packages::ensure(&steps, packages::UP)?;
        let tools = steps.run("tools for the page", |step| tools::for_page(step, workspace))?;
        let mut report = Report::new(&steps)?;
        report.step("server and worker", |step| {
            artifacts::binaries(step, workspace, Profile::Release)
        });
        report.step("the page", |step| artifacts::page(step, workspace, &tools));
        let now = UNIX_EPOCH.elapsed().unwrap_or_default();
        let chaos = workspace
            .cargo(&["test", "--release", "-p", "e2e", "--test", "chaos", "--", "--nocapture"])
            .env("CHAOS_SECONDS", self.seconds.to_string())
            .env("CHAOS_RATE", self.rate.to_string())
            .env("CHAOS_SEED", self.seed.unwrap_or(now.as_secs()).to_string());
        report.tests("chaos", Ok(chaos));
        report.finish()
    }
}
