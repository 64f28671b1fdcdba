//! `.travis.yml`, run on this machine as Travis runs it: one bash, the phases in Travis's order and
//! with its rules on what a failing line means. The deployment itself is left out; its settings can
//! be read.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use stack::{Output, Process, Signal};

/// Travis ends a job after this time.
const JOB_TIMEOUT: Duration = Duration::from_secs(50 * 60);

/// What Travis defines in its shell. A line of `before_install`, `install` or `before_script` that
/// fails ends the job; after one of `script` the next one runs, and the job has failed; Travis
/// ignores the exit codes of `before_deploy`.
const PRELUDE: &str = r#"
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

    /// The lines of a phase; none when the file does not name it.
    pub fn phase(&self, name: &str) -> Vec<&str> {
        lines(&self.file[name])
    }

    pub fn deployment(&self) -> &Value {
        &self.file["deploy"]
    }

    /// Whether a push to this branch, or a pull request to it, is deployed when it has passed.
    /// Travis deploys no pull request.
    pub fn deploys(&self, branch: &str, is_pull_request: bool) -> bool {
        !is_pull_request && lines(&self.deployment()["on"]["branch"]).contains(&branch)
    }

    /// Runs the job of a push to `branch` up to the deployment itself; `settings` are the variables
    /// of the repository's settings on Travis.
    pub fn push(&self, branch: &str, settings: &[(&str, &str)]) -> Result<()> {
        let head = Process::builder("git", "git").args(["rev-parse", "HEAD"]).dir(&self.checkout);
        let commit = head.run(Duration::from_secs(10))?;
        let mut bash = Process::builder("travis", "bash")
            .args(["-c", &self.script(self.deploys(branch, false))])
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
            bail!("the job has not ended after {} minutes", JOB_TIMEOUT.as_secs() / 60)
        };
        ensure!(status.success(), "the job failed ({status})");
        Ok(())
    }

    fn script(&self, deploys: bool) -> String {
        let variables = lines(&self.file["env"]["global"]).into_iter();
        let variables: String = variables.map(|variable| format!("export {variable}\n")).collect();
        let phase = |name: &str, failed: &str| -> String {
            let quoted = self.phase(name).into_iter().map(|line| line.replace('\'', r"'\''"));
            quoted.map(|line| format!("travis_cmd '{line}' {failed}\n")).collect()
        };
        let setup =
            ["before_install", "install", "before_script"].map(|name| phase(name, "|| exit 1"));
        let script =
            phase("script", "|| TRAVIS_TEST_RESULT=1") + "[ $TRAVIS_TEST_RESULT = 0 ] || exit 1\n";
        let deployment = if deploys { phase("before_deploy", "") } else { String::new() };
        [PRELUDE, &variables, &setup.concat(), &script, &deployment, "exit 0\n"].concat()
    }
}

/// One string or a list of them.
fn lines(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}
