//! The folders of this checkout, and how to run cargo in it.

use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use stack::{Builder, Process, Signal};

/// Names another folder for data and logs.
const DATA_VARIABLE: &str = "FIBONACCI_DATA";

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CargoWorkspace {
    /// The folder of the workspace's Cargo.toml.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds; CARGO_TARGET_DIR may have moved it out of the checkout.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    /// The folder in [`DATA_VARIABLE`].
    #[serde(skip)]
    data: Option<PathBuf>,
}

impl CargoWorkspace {
    pub(crate) fn find() -> Result<Self> {
        // `cargo run` sets the variable. If the binary is called directly, it uses the path of its
        // build.
        let here = env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(Path::new(&here).join("Cargo.toml"))
            .output()
            .context("starting cargo")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`cargo metadata` failed:\n{}", stderr.trim());
        let workspace: Self =
            serde_json::from_slice(&output.stdout).context("reading cargo's metadata")?;
        let data = env::var_os(DATA_VARIABLE)
            .filter(|dir| !dir.is_empty())
            .map(path::absolute)
            .transpose();
        Ok(Self { data: data.with_context(|| format!("reading {DATA_VARIABLE}"))?, ..workspace })
    }

    pub(crate) fn cargo(&self, args: &[&str]) -> Builder {
        Process::builder(format!("cargo {}", args.first().unwrap_or(&"")), cargo())
            .args(args)
            .dir(&self.root)
            // On SIGTERM cargo stops its compilers; if it is killed, they keep running.
            .death_signal(Signal::TERM)
    }

    /// Data and logs of `up`: `.data` in the checkout, which git ignores, unless `FIBONACCI_DATA`
    /// names another folder. At most one `up` runs per folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| self.root.join(".data"))
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.data().join("logs")
    }

    pub(crate) fn locked_version(&self, package: &str) -> Result<String> {
        let path = self.root.join("Cargo.lock");
        let lock =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        version_in(&lock, package).with_context(|| format!("Cargo.lock has no `{package}`"))
    }
}

fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_version_is_found_by_the_whole_package_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.1\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(version_in(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in(lock, "wasm"), None);
    }
}
