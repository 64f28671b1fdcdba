//! Runs the phases of `.travis.yml` locally, in one bash and in Travis's order. A line that fails
//! has the same effect as on Travis. The phase `deploy` is not run.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use stack::{Output, Process, Signal};

/// The limit that Travis has for a job.
const JOB_TIMEOUT: Duration = Duration::from_secs(50 * 60);

/// What `.travis.yml` and [`Travis::script`] use of Travis's shell.
const TRAVIS_SHELL: &str = r#"
travis_terminate() { exit "$1"; }
travis_cmd() { printf '\n$ %s\n' "$1"; eval "$1"; }
TRAVIS_TEST_RESULT=0
"#;

#[derive(Debug)]
pub struct Travis {
    checkout: PathBuf,
    file: Value,
}

impl Travis {
    pub fn read(checkout: &Path) -> Result<Self> {
        let path = checkout.join(".travis.yml");
        let file =
            serde_saphyr::from_str(&fs::read_to_string(path)?).context("reading .travis.yml")?;
        Ok(Self { checkout: checkout.to_owned(), file })
    }

    /// The lines of a phase; empty if the file does not have the phase.
    pub fn phase(&self, name: &str) -> Vec<&str> {
        lines(&self.file[name])
    }

    pub fn deployment(&self) -> &Value {
        &self.file["deploy"]
    }

    /// Whether Travis deploys a passing build of `branch`. It never deploys pull requests.
    pub fn deploys(&self, branch: &str, is_pull_request: bool) -> bool {
        !is_pull_request && lines(&self.deployment()["on"]["branch"]).contains(&branch)
    }

    /// Runs the job of a push to `branch`, without the phase `deploy`. `settings` are the variables
    /// from the repository's settings on Travis.
    pub fn run_push_job(&self, branch: &str, settings: &[(&str, &str)]) -> Result<()> {
        self.run(&self.script(self.deploys(branch, false)), branch, settings)
    }

    /// Runs the phase that follows the deployment of `branch`.
    pub fn run_after_deploy(&self, branch: &str, settings: &[(&str, &str)]) -> Result<()> {
        let script = self.phase_script("after_deploy", "");
        self.run(&[TRAVIS_SHELL, &script, "exit 0\n"].concat(), branch, settings)
    }

    fn run(&self, script: &str, branch: &str, settings: &[(&str, &str)]) -> Result<()> {
        let head = Process::builder("git", "git").args(["rev-parse", "HEAD"]).dir(&self.checkout);
        let commit = head.run(Duration::from_secs(10))?;
        let mut bash = Process::builder("travis", "bash")
            .args(["-c", script])
            .dir(&self.checkout)
            .death_signal(Signal::TERM)
            .env("CI", "true")
            .env("TRAVIS", "true")
            .env("TRAVIS_BRANCH", branch)
            .env("TRAVIS_COMMIT", commit.trim())
            .env("TRAVIS_PULL_REQUEST", "false")
            .env("TRAVIS_BUILD_DIR", &self.checkout)
            .output(Output::lines(|line| {
                let _ = writeln!(stdout().lock(), "  {line}");
            }))
            .envs(settings.iter().copied())
            .spawn()?;
        let Some(status) = bash.wait(JOB_TIMEOUT)? else {
            bail!("the job did not end within {} minutes", JOB_TIMEOUT.as_secs() / 60)
        };
        ensure!(status.success(), "the job failed ({status})");
        Ok(())
    }

    /// A line that fails in a phase before `script` ends the job. One in `script` fails the job,
    /// but the next line still runs. Travis ignores the exit codes of `before_deploy`.
    fn script(&self, deploys: bool) -> String {
        let variables = lines(&self.file["env"]["global"]).into_iter();
        let variables: String = variables.map(|variable| format!("export {variable}\n")).collect();
        let setup = ["before_install", "install", "before_script"]
            .map(|name| self.phase_script(name, "|| exit 1"));
        let script = self.phase_script("script", "|| TRAVIS_TEST_RESULT=1")
            + "[ $TRAVIS_TEST_RESULT = 0 ] || exit 1\n";
        let deployment =
            if deploys { self.phase_script("before_deploy", "") } else { String::new() };
        [TRAVIS_SHELL, &variables, &setup.concat(), &script, &deployment, "exit 0\n"].concat()
    }

    /// The commands that run the lines of a phase, each followed by `on_failure`.
    fn phase_script(&self, name: &str, on_failure: &str) -> String {
        let quote = |line: &str| line.replace('\'', r"'\''");
        let command = |line| format!("travis_cmd '{}' {on_failure}\n", quote(line));
        self.phase(name).into_iter().map(command).collect()
    }
}

/// The lines of a value that is one line or a list of lines.
fn lines(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        line => line.as_str().into_iter().collect(),
    }
}
