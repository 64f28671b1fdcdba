//! `cargo xtask test`: everything that checks this workspace and needs no Docker.

use anyhow::Result;
use stack::{Builder, find_program};

use crate::{
    artifacts::{self, Profile},
    packages,
    progress::Steps,
    queries,
    report::Report,
    tools,
    workspace::Workspace,
};

/// The browser starts slowly on a busy machine; wasm-bindgen's own bound is 20 s.
const BROWSER_SECONDS: &str = "120";

/// Sets up what is missing and runs everything, or only the tests whose names contain `filter`.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let steps = Steps::new(workspace);
    packages::ensure(&steps, packages::UP)?;
    packages::ensure(&steps, packages::BROWSER)?;
    let tools = steps.run("tools for the page", |step| tools::ensure(step, workspace))?;

    let mut report = Report::new(&steps)?;
    let wasm = ["--target", "wasm32-unknown-unknown"];
    if filter.is_none() {
        let deny = ["--all-targets", "--", "-D", "warnings"];
        report.command("format", workspace.cargo(&["fmt", "--all", "--check"]));
        report.command("lints", workspace.cargo(&["clippy", "--workspace"]).args(deny));
        report
            .command("lints of the page", workspace.cargo(&["clippy", "-p", "client"]).args(wasm).args(deny));
        report.step("types of the SQL", |step| queries::run(step, workspace, true));
    }
    report.step("server and worker", |step| artifacts::binaries(step, workspace, Profile::Debug).map(drop));
    report.step("the page", |step| artifacts::page(step, workspace, &tools));

    let all = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    report.tests("tests", Ok(all.args(filter)));
    let in_browser = || -> Result<Builder> {
        let driver = find_program("chromedriver").unwrap_or_default();
        let builder = workspace.cargo(&["test", "-p", "client"]).args(wasm).env("PATH", tools.path()?);
        let builder = builder.env("CHROMEDRIVER", driver).env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_SECONDS);
        Ok(builder.args(filter))
    };
    report.tests("tests of the page in a browser", in_browser());
    report.finish()
}
