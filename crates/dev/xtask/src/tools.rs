//! The tools that cargo and rustup install: the wasm32 target, trunk, cargo-deny, and the
//! wasm-bindgen CLI in the version of Cargo.lock. They are taken from `PATH` where the version
//! fits, and are otherwise built into a cache outside of the checkout, so that the next clone finds
//! them. Packages from PyPI and npm go into the same cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use stack::{Process, Signal, find_program};

use crate::{progress::Step, terminal::interrupted, workspace::CargoWorkspace};

/// The newest trunk that this workspace's Rust can build.
const TRUNK: &str = "0.21.14";

const CARGO_DENY: &str = "0.20.2";

const WASM: &str = "wasm32-unknown-unknown";

/// How a tool is built: without optimisation, in a few minutes. trunk's own release profile takes
/// 10 minutes on two cores, for a program that runs for a second.
struct Recipe {
    package: &'static str,
    version: String,
    programs: &'static [&'static str],
    flags: &'static [&'static str],
}

pub(crate) struct Tools(Vec<PathBuf>);

impl Tools {
    /// `PATH` with the tools in it.
    pub(crate) fn path(&self) -> Result<OsString> {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = self.0.iter().cloned().chain(env::split_paths(&inherited));
        env::join_paths(all).context("a folder in PATH has a colon in its name")
    }
}

/// Sets up what building and testing the page needs and Debian does not package.
pub(crate) fn ensure(step: &Step, workspace: &CargoWorkspace) -> Result<Tools> {
    wasm_target(step, workspace)?;
    let wasm_bindgen = Recipe {
        package: "wasm-bindgen-cli",
        version: workspace.locked_version("wasm-bindgen")?,
        programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
        flags: &[],
    };
    let trunk = Recipe {
        package: "trunk",
        version: TRUNK.to_owned(),
        programs: &["trunk"],
        // It always runs with --offline: no TLS, no check for updates.
        flags: &["--no-default-features"],
    };
    Ok(Tools(vec![tool(step, &wasm_bindgen)?, tool(step, &trunk)?]))
}

/// cargo-deny, which checks Cargo.lock against deny.toml.
pub(crate) fn cargo_deny(step: &Step) -> Result<PathBuf> {
    let recipe = Recipe {
        package: "cargo-deny",
        version: CARGO_DENY.to_owned(),
        programs: &["cargo-deny"],
        flags: &[],
    };
    Ok(tool(step, &recipe)?.join("cargo-deny"))
}

fn wasm_target(step: &Step, workspace: &CargoWorkspace) -> Result<()> {
    let rustc =
        Command::new("rustc").args(["--print", "sysroot"]).current_dir(&workspace.root).output();
    let sysroot = String::from_utf8(rustc.context("starting rustc")?.stdout)?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).join("lib").exists() {
        return Ok(());
    }
    if find_program("rustup").is_none() {
        bail!(
            "this Rust cannot build for {WASM}, and there is no rustup to add it: install Rust by rustup"
        );
    }
    step.note(&format!("adding {WASM}"));
    step.command(
        Process::builder("rustup", "rustup").args(["target", "add", WASM]).dir(&workspace.root),
    )
    .map(drop)
}

fn tool(step: &Step, recipe: &Recipe) -> Result<PathBuf> {
    let Recipe { package, version, programs, .. } = recipe;
    let in_path = find_program(programs[0]).and_then(|path| path.parent().map(Path::to_owned));
    let root = cache()?.join(format!("{package}-{version}"));
    let mut candidates = in_path.into_iter().chain([root.join("bin")]);
    if let Some(bin) = candidates.find(|bin| has(bin, recipe)) {
        return Ok(bin);
    }
    step.note(&format!("building {package} {version} (once, a few minutes)"));
    let scratch = cache()?.join(format!("build-{package}-{version}"));
    let install = |locked: &[&str]| {
        let builder = Process::builder("cargo install", "cargo")
            .args(["install", "--debug", "--force", package, "--version", &format!("={version}")])
            .args(recipe.flags)
            .args(locked)
            .arg("--root")
            .arg(&root)
            .env("CARGO_TARGET_DIR", &scratch)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false")
            .env("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "false")
            .env("CARGO_INCREMENTAL", "0")
            .death_signal(Signal::TERM);
        step.command(builder)
    };
    // A locked dependency may have been yanked, or not compile with this Rust.
    install(&["--locked"]).or_else(|e| if interrupted() { Err(e) } else { install(&[]) })?;
    // Half a gigabyte that is not needed again; not worth failing over.
    let _ = fs::remove_dir_all(&scratch);
    if !has(&root.join("bin"), recipe) {
        bail!(
            "{package} was installed into {}, but does not say that it is {version}",
            root.display()
        );
    }
    Ok(root.join("bin"))
}

/// A program of PyPI's `package` (`name==version`), in a virtual environment in the cache.
pub(crate) fn from_pypi(step: &Step, package: &str, program: &str) -> Result<PathBuf> {
    let root = cache()?.join(package.replace("==", "-"));
    let path = root.join("bin").join(program);
    let installed = root.join("installed");
    if !installed.exists() {
        let python = Process::builder("python3", "python3").args(["-m", "venv"]).arg(&root);
        step.command(python)
            .context("making a Python environment (Debian package: python3-venv)")?;
        let pip =
            Process::builder("pip", root.join("bin/pip")).args(["install", "--quiet", package]);
        step.command(pip)?;
        fs::write(installed, package)?;
    }
    Ok(path)
}

/// The node_modules with npm's `packages` (`name@version`), which are installed into the cache.
pub(crate) fn from_npm(step: &Step, packages: &[&str]) -> Result<PathBuf> {
    let root = cache()?.join(packages.join("-"));
    let modules = root.join("node_modules");
    // npm writes it last.
    if !modules.join(".package-lock.json").exists() {
        let npm = Process::builder("npm", "npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&root)
            .args(packages)
            .death_signal(Signal::TERM);
        step.command(npm)?;
    }
    Ok(modules)
}

/// Whether all programs are in `bin`, in the wanted version.
fn has(bin: &Path, recipe: &Recipe) -> bool {
    let right = |program: &&str| {
        // The test runner does not print its version; it comes with wasm-bindgen.
        let path = bin.join(program);
        *program != recipe.programs[0] && path.exists()
            || Command::new(path).arg("--version").output().is_ok_and(|output| {
                String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1)
                    == Some(recipe.version.as_str())
            })
    };
    recipe.programs.iter().all(right)
}

/// Shared by all checkouts of this user.
fn cache() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(home);
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("fibonacci-calculator"))
}
