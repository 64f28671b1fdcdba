//! The programs that come from Debian, installed when they are missing and we may; otherwise the command to type
//! is printed. The packages' own services (a Postgres on 5432, an nginx on 80, …) are neither started nor
//! enabled: the person asked for our system, not for servers on theirs. Services that were there stay as they are.

use anyhow::{Result, bail};
use stack::{Process, Signal, find_program};

use crate::progress::Steps;

/// A program, and the Debian package that has it.
pub(crate) type Need = (&'static str, &'static str);

/// What a private Postgres needs.
pub(crate) const POSTGRES: &[Need] = &[("postgres", "postgresql"), ("psql", "postgresql")];

/// What `up` needs.
pub(crate) const UP: &[Need] = &[
    ("postgres", "postgresql"),
    ("psql", "postgresql"),
    ("redis-server", "redis-server"),
    ("nginx", "nginx"),
];

/// What `test` needs besides: a browser, and the program that drives it.
pub(crate) const BROWSER: &[Need] = &[("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// Runs as root. `policy-rc.d` is Debian's way to install a service without starting it; one that a person put
/// there is left alone.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\n# Made by "cargo xtask" while it installs packages; may be removed.\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
apt-get update
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        case "$package" in postgresql|redis-server|nginx) systemctl disable --quiet "$package" || true ;; esac
    done
fi
"#;

/// Installs the packages of those programs that are missing.
pub(crate) fn ensure(steps: &Steps, needs: &[Need]) -> Result<()> {
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    let by_hand = format!("apt-get update && sudo apt-get install --no-install-recommends {names}");
    if find_program("apt-get").is_none() {
        bail!("missing, and this is no Debian system to install them on: {names} (Debian's names)");
    }
    let is_root = rustix::process::geteuid().is_root();
    if !is_root && !may_sudo() {
        bail!("some programs are missing; install them, then run this again:\n\n    sudo {by_hand}\n");
    }
    steps.run(&format!("installing {names}"), |step| {
        let (program, first): (_, &[&str]) = if is_root { ("sh", &[]) } else { ("sudo", &["-n", "sh"]) };
        let shell = Process::builder("apt-get", program).args(first).args(["-c", INSTALL, "sh"]);
        step.command(shell.args(&packages).death_signal(Signal::TERM)).map(drop)
    })?;
    match missing(needs).as_slice() {
        [] => Ok(()),
        rest => bail!("still missing after the installation: {}", rest.join(" ")),
    }
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
