//! `cargo xtask test` runs all checks of this workspace that need no Docker. `cargo xtask chaos`
//! runs the chaos test of the crate `e2e` with a chosen duration and load.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use stack::{Builder, Process, find_program};

use crate::artifacts::{self, Profile};
use crate::packages::{self, Confirmation};
use crate::progress::{Step, Steps};
use crate::report::{CheckOutcome, Report};
use crate::workspace::CargoWorkspace;
use crate::{queries, tools};

/// Timeout of wasm-bindgen-test-runner. Its default of 20 s is too short on a busy machine.
const BROWSER_TEST_TIMEOUT_SECONDS: &str = "120";

const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// A linter of CloudFormation templates, which has the schemas of all resources.
const CFN_LINT: &str = "cfn-lint==1.58.0";

/// Its models of AWS's services check what aws/deploy.sh sends.
const AWS_CLI: &str = "awscli==1.46.3";

/// npm packages that check the page's speed and accessibility. This is the newest Lighthouse that
/// runs on Debian's nodejs.
const AUDITORS: &[&str] = &["lighthouse@12.8.2", "axe-core@4.14.1"];

/// Time to fetch the database of advisories, which is a few MB.
const ADVISORIES_FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets up what is missing and runs all checks, or only the tests whose names contain `filter`.
pub(crate) fn run(
    workspace: &CargoWorkspace,
    confirmation: Confirmation,
    filter: Option<&str>,
) -> Result<()> {
    let mut required = [packages::UP, packages::BROWSER].concat();
    if filter.is_none() {
        required.extend([packages::NODE, packages::PROMTOOL].concat());
    }
    let packages = packages::confirm(&required, confirmation)?;
    let steps = Steps::new(workspace);
    packages.install(&steps)?;
    let tools = steps.run("tools for the page", |step| tools::for_page(step, workspace))?;

    let mut report = Report::new(&steps)?;
    let wasm = ["--target", "wasm32-unknown-unknown"];
    if filter.is_none() {
        let clippy_options = ["--all-targets", "--", "-D", "warnings"];
        report.command("format", workspace.cargo(&["fmt", "--all", "--check"]));
        report.command("lints", workspace.cargo(&["clippy", "--workspace"]).args(clippy_options));
        report.command(
            "lints of the page",
            workspace.cargo(&["clippy", "-p", "client"]).args(wasm).args(clippy_options),
        );
        report.step("dependencies", |step| {
            let deny = cargo_deny(step, workspace)?;
            step.command(deny.args(["--locked", "check", "licenses", "bans", "sources"])).map(drop)
        });
        report.skippable_step("advisories", |step| check_advisories(step, workspace));
        for (title, arguments) in [
            ("configuration of Prometheus", ["check", "config", "prometheus.yml"]),
            ("alert rules", ["test", "rules", "alerts_test.yml"]),
        ] {
            let promtool = Process::builder("promtool", "promtool").args(arguments);
            report.command(title, promtool.dir(workspace.root.join("observe/prometheus")));
        }
        report.step("types of the SQL", |step| queries::run(step, workspace, true));
    }
    // This also builds the binaries, which some tests run. The commands below select the whole
    // workspace too, because cargo compiles most dependencies again for another selection.
    report.command("building the tests", workspace.cargo(&["test", "--workspace", "--no-run"]));
    report.step("the page", |step| artifacts::page(step, workspace, &tools));

    let tests = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    report.tests("tests", Ok(tests.args(filter)));
    if filter.is_none() {
        let schemathesis =
            steps.run("schemathesis", |step| tools::from_pypi(step, SCHEMATHESIS, "schemathesis"));
        let description_test = |program| {
            let test =
                workspace.cargo(&["test", "--workspace", "--test", "api", "--", "described"]);
            test.args(["--ignored", "--nocapture"]).env("SCHEMATHESIS", program)
        };
        report.tests("the api against its description", schemathesis.map(description_test));

        let aws_tools = steps.run("cfn-lint and the AWS CLI", |step| {
            let cfn_lint = tools::from_pypi(step, CFN_LINT, "cfn-lint")?;
            Ok((cfn_lint, tools::from_pypi(step, AWS_CLI, "python")?))
        });
        let aws_tests = |(cfn_lint, python)| {
            let test = workspace.cargo(&["test", "--workspace", "--test", "aws", "--"]);
            test.arg("--ignored").env("CFN_LINT", cfn_lint).env("AWS_CLI_PYTHON", python)
        };
        report.tests("the site's template and script", aws_tools.map(aws_tests));

        let auditors = steps.run("lighthouse and axe", |step| tools::from_npm(step, AUDITORS));
        let audit_tests = |node_modules| {
            let test = workspace.cargo(&["test", "--workspace", "--test", "page_audit", "--"]);
            let test = test.args(["--ignored", "--nocapture", "--test-threads=1"]);
            test.env("NODE_MODULES", node_modules)
        };
        report.tests("the page's audit", auditors.map(audit_tests));
    }
    let browser_tests = || -> Result<Builder> {
        let tests = workspace
            .cargo(&["test", "-p", "client"])
            .args(wasm)
            .env("PATH", tools.path()?)
            .env("CHROMEDRIVER", find_program("chromedriver").unwrap_or_default())
            .env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TEST_TIMEOUT_SECONDS);
        Ok(tests.args(filter))
    };
    report.tests("tests of the page in a browser", browser_tests());
    report.finish()
}

fn cargo_deny(step: &Step, workspace: &CargoWorkspace) -> Result<Builder> {
    Ok(Process::builder("cargo deny", tools::cargo_deny(step)?).dir(&workspace.root))
}

/// Fetches the database in a command of its own, because the exit code of `check` is the same for a
/// failed fetch and for an advisory.
fn check_advisories(step: &Step, workspace: &CargoWorkspace) -> Result<CheckOutcome> {
    let deny = cargo_deny(step, workspace)?;
    if deny.clone().args(["fetch", "db"]).run(ADVISORIES_FETCH_TIMEOUT).is_err() {
        return Ok(CheckOutcome::Skipped("the database of advisories cannot be fetched"));
    }
    step.command(deny.args(["--locked", "check", "advisories"]))?;
    Ok(CheckOutcome::Passed)
}

#[derive(Args)]
pub(crate) struct ChaosArgs {
    /// Inject faults for at least this many seconds, and until each kind has been injected once
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Submissions per second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Repeat the run that printed this seed; by default, the seed is new
    #[arg(long)]
    seed: Option<u64>,
}

impl ChaosArgs {
    pub(crate) fn run(&self, workspace: &CargoWorkspace, confirmation: Confirmation) -> Result<()> {
        let packages = packages::confirm(packages::UP, confirmation)?;
        let steps = Steps::new(workspace);
        packages.install(&steps)?;
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
