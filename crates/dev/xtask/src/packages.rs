//! Asks the developer, and then installs missing programs from Debian packages. This needs root, or
//! a sudo that asks for no password; without them, the error has the command to type. The packages'
//! own services (a Postgres on 5432, an nginx on 80, …) are neither started nor enabled. Services
//! that were installed before stay as they are.

use std::env;
use std::ffi::OsStr;
use std::io::{IsTerminal, stdin};
use std::time::Duration;

use anyhow::{Result, bail};
use stack::{Process, Signal, find_program};

use crate::progress::Steps;
use crate::terminal::{ask, eprintln};

/// A program and the Debian package that contains it.
pub(crate) type Requirement = (&'static str, &'static str);

pub(crate) const POSTGRES: &[Requirement] = &[("postgres", "postgresql"), ("psql", "postgresql")];

pub(crate) const UP: &[Requirement] = &[
    ("postgres", "postgresql"),
    ("psql", "postgresql"),
    ("redis-server", "redis-server"),
    ("nginx", "nginx"),
    ("envsubst", "gettext-base"),
    ("brotli", "brotli"),
];

/// A browser and its WebDriver, for tests of the page.
pub(crate) const BROWSER: &[Requirement] =
    &[("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// For the page's auditors, and for the Node edition in the benchmark.
pub(crate) const NODE: &[Requirement] = &[("node", "nodejs"), ("npm", "npm")];

/// Tests the alert rules.
pub(crate) const PROMTOOL: &[Requirement] = &[("promtool", "prometheus")];

pub(crate) const BENCHMARK: &[Requirement] =
    &[("wrk", "wrk"), ("pgbench", "postgresql"), ("python3", "python3-venv")];

/// For `rehearse`: a registry with a login, and the tools that pack a deployment.
pub(crate) const REHEARSAL: &[Requirement] = &[
    ("docker-registry", "docker-registry"),
    ("htpasswd", "apache2-utils"),
    ("zip", "zip"),
    ("unzip", "unzip"),
];

/// Options of `apt-get install`. The timeout in seconds is for waiting until another apt ends.
const INSTALL_OPTIONS: &str = "--yes --no-install-recommends -o DPkg::Lock::Timeout=120";

/// Runs as root, with the options and the packages as arguments. Debian installs a service without
/// starting it if `policy-rc.d` exits with 101. A `policy-rc.d` that exists already is kept, unless
/// it is from a killed run of this script.
const INSTALL_SCRIPT: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] || grep -q '"cargo xtask"' "$policy"; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    cat > "$policy" <<'END'
#!/bin/sh
# Made by "cargo xtask" while it installs packages; may be removed.
exit 101
END
    chmod 755 "$policy"
fi
apt-get update
apt-get install "$@"
if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        case "$package" in
            postgresql|redis-server|nginx|docker-registry|prometheus)
                systemctl disable --quiet "$package" || true ;;
        esac
    done
fi
"#;

/// Whether the developer must confirm an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Required,
    Skipped,
}

impl Confirmation {
    pub(crate) fn new(yes: bool) -> Self {
        Self::decide(yes, env::var_os("CI").as_deref(), stdin().is_terminal())
    }

    fn decide(yes: bool, ci: Option<&OsStr>, stdin_is_terminal: bool) -> Self {
        let is_skipped = yes || ci == Some(OsStr::new("true")) || !stdin_is_terminal;
        if is_skipped { Self::Skipped } else { Self::Required }
    }
}

/// Requirements whose missing packages may be installed.
pub(crate) struct ConfirmedPackages(Vec<Requirement>);

/// Asks the developer whether to install the missing packages. Fails with the command to type if
/// the answer is not yes, or if this process may not install them. Call it before the first step,
/// because the progress display would overwrite the question.
pub(crate) fn confirm(
    requirements: &[Requirement],
    confirmation: Confirmation,
) -> Result<ConfirmedPackages> {
    let packages = missing_packages(requirements).join(" ");
    if !packages.is_empty() {
        if !has_apt() {
            bail!("this system has no apt-get to install these Debian packages: {packages}");
        }
        let may_install = is_root() || can_sudo();
        let must_ask = confirmation == Confirmation::Required;
        if !may_install || (must_ask && !ask_to_install(&packages)?) {
            bail!("{}", manual_instructions(&packages));
        }
    }
    Ok(ConfirmedPackages(requirements.to_vec()))
}

fn ask_to_install(packages: &str) -> Result<bool> {
    let sudo = sudo_prefix();
    eprintln!(
        "Some Debian packages are missing. These commands install them:\n\n    \
         {sudo}apt-get update\n    {sudo}apt-get install {INSTALL_OPTIONS} {packages}\n\n\
         The services in these packages are neither started nor enabled."
    );
    Ok(is_yes(&ask("Install them now? [y/N] ")?))
}

fn is_yes(reply: &str) -> bool {
    ["y", "yes"].contains(&reply.trim().to_lowercase().as_str())
}

fn manual_instructions(packages: &str) -> String {
    let sudo = sudo_prefix();
    format!(
        "some programs are missing; install them, then run this again:\n\n    \
         {sudo}apt-get update && {sudo}apt-get install --no-install-recommends {packages}\n"
    )
}

impl ConfirmedPackages {
    pub(crate) fn install(&self, steps: &Steps) -> Result<()> {
        let packages = missing_packages(&self.0);
        if packages.is_empty() {
            return Ok(());
        }
        steps.run(&format!("installing {}", packages.join(" ")), |step| {
            let (program, shell): (_, &[&str]) =
                if is_root() { ("sh", &[]) } else { ("sudo", &["-n", "sh"]) };
            let script = Process::builder("apt-get", program)
                .args(shell)
                .args(["-c", INSTALL_SCRIPT, "sh"])
                .args(INSTALL_OPTIONS.split(' '))
                .args(&packages)
                .death_signal(Signal::TERM);
            // After an interrupted apt-get, the developer would have to repair the packages. On
            // TERM, the shell waits until apt-get has ended.
            step.uninterrupted_command(script).map(drop)
        })?;
        match missing_packages(&self.0).as_slice() {
            [] => Ok(()),
            rest => bail!("still missing after the installation: {}", rest.join(" ")),
        }
    }
}

fn sudo_prefix() -> &'static str {
    if is_root() { "" } else { "sudo " }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn has_apt() -> bool {
    find_program("apt-get").is_some()
}

/// The packages of the programs that are not installed, each once.
fn missing_packages(requirements: &[Requirement]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = requirements
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Whether sudo works without a password. The progress display would hide its prompt for one.
fn can_sudo() -> bool {
    let sudo = Process::builder("sudo", "sudo").args(["-n", "true"]);
    sudo.run(Duration::from_secs(10)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_developer_at_a_terminal_is_asked() {
        let decide = |yes, ci: &str, stdin_is_terminal| {
            Confirmation::decide(yes, Some(OsStr::new(ci)), stdin_is_terminal)
        };
        assert_eq!(Confirmation::decide(false, None, true), Confirmation::Required);
        assert_eq!(decide(false, "false", true), Confirmation::Required);
        assert_eq!(decide(false, "", true), Confirmation::Required);
        assert_eq!(decide(false, "true", true), Confirmation::Skipped);
        assert_eq!(Confirmation::decide(true, None, true), Confirmation::Skipped);
        assert_eq!(Confirmation::decide(false, None, false), Confirmation::Skipped);
    }

    #[test]
    fn the_development_container_has_the_packages_of_up_and_test() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../.devcontainer/Dockerfile");
        let dockerfile = std::fs::read_to_string(file).expect("the Dockerfile");
        let words: Vec<_> = dockerfile.split_whitespace().collect();
        let required =
            [UP, BROWSER, NODE, PROMTOOL].concat().into_iter().map(|(_, package)| package);
        // `cargo xtask test` also makes virtual environments, and runs git.
        for package in required.chain(["python3-venv", "git"]) {
            assert!(words.contains(&package), "{package} is missing");
        }
    }

    #[test]
    fn only_y_and_yes_confirm() {
        assert!(["y\n", "Y\n", "yes\n", " YES \r\n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "no\n", "yep\n", "y y\n"].into_iter().any(is_yes));
    }
}
