//! The programs that come from Debian: installed when they are missing and we may, otherwise the
//! command to type is printed. The packages' own services (a Postgres on 5432, an nginx on 80, …)
//! are neither started nor enabled; services that were there stay as they are.

use anyhow::{Result, bail};
use stack::{Process, Signal, find_program};

use crate::progress::Steps;

pub(crate) type Need = (&'static str, &'static str);

pub(crate) const POSTGRES: &[Need] = &[("postgres", "postgresql"), ("psql", "postgresql")];

pub(crate) const UP: &[Need] = &[
    ("postgres", "postgresql"),
    ("psql", "postgresql"),
    ("redis-server", "redis-server"),
    ("nginx", "nginx"),
    ("envsubst", "gettext-base"),
    ("brotli", "brotli"),
];

/// What `test` needs besides: a browser, and the program that drives it.
pub(crate) const BROWSER: &[Need] =
    &[("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// What the page's auditors and the Node edition need.
pub(crate) const NODE: &[Need] = &[("node", "nodejs"), ("npm", "npm")];

pub(crate) const PEERS: &[Need] =
    &[("wrk", "wrk"), ("pgbench", "postgresql"), ("python3", "python3-venv")];

/// What `rehearse` needs: a registry with a login, and what packs a deployment.
pub(crate) const REHEARSAL: &[Need] = &[
    ("docker-registry", "docker-registry"),
    ("htpasswd", "apache2-utils"),
    ("zip", "zip"),
    ("unzip", "unzip"),
];

/// Runs as root. `policy-rc.d` is Debian's way to install a service without starting it; one that
/// was there is left alone, one that a killed run of ours left is replaced.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] || grep -q '"cargo xtask"' "$policy"; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\n# Made by "cargo xtask" while it installs packages; may be removed.\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
apt-get update
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        case "$package" in postgresql|redis-server|nginx|docker-registry) systemctl disable --quiet "$package" || true ;; esac
    done
fi
"#;

/// An error with the command to type, when programs are missing that we may not install.
pub(crate) fn check(needs: &[Need]) -> Result<()> {
    let names = missing(needs).join(" ");
    if names.is_empty() || is_root() && has_apt() || has_apt() && may_sudo() {
        return Ok(());
    }
    if !has_apt() {
        bail!("missing, and this is no Debian system to install them on: {names} (Debian's names)");
    }
    bail!(
        "some programs are missing; install them, then run this again:\n\n    \
         sudo apt-get update && sudo apt-get install --no-install-recommends {names}\n"
    )
}

pub(crate) fn ensure(steps: &Steps, needs: &[Need]) -> Result<()> {
    check(needs)?;
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    steps.run(&format!("installing {}", packages.join(" ")), |step| {
        let (program, first): (_, &[&str]) =
            if is_root() { ("sh", &[]) } else { ("sudo", &["-n", "sh"]) };
        let shell = Process::builder("apt-get", program).args(first).args(["-c", INSTALL, "sh"]);
        // A package manager that is stopped half-way leaves work for a person. The shell handles a
        // signal after it has ended.
        step.uninterrupted_command(shell.args(&packages).death_signal(Signal::TERM)).map(drop)
    })?;
    match missing(needs).as_slice() {
        [] => Ok(()),
        rest => bail!("still missing after the installation: {}", rest.join(" ")),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn has_apt() -> bool {
    find_program("apt-get").is_some()
}

fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = needs
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Whether sudo works without a password: a prompt amid spinners would only confuse.
fn may_sudo() -> bool {
    let sudo = Process::builder("sudo", "sudo").args(["-n", "true"]);
    sudo.run(std::time::Duration::from_secs(10)).is_ok()
}
