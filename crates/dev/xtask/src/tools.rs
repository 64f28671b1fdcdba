//! Sets up tools that Debian does not package: the wasm32 target by rustup; trunk, cargo-deny,
//! wasm-split-cli and the wasm-bindgen CLI by cargo; packages from PyPI and npm. cargo's tools are
//! taken from `PATH` if cargo has installed them there in their version. Otherwise they are built
//! into a cache outside of the checkout, which all checkouts share and which has the packages too.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use stack::{Process, Signal, find_program};

use crate::{progress::Step, terminal::interrupted, workspace::CargoWorkspace};

/// The newest trunk that the Rust version of this workspace can build.
const TRUNK: &str = "trunk@0.21.14";

/// Splits the page's program. It must fit the wasm_split_helpers in Cargo.lock, which Leptos uses.
const WASM_SPLIT: &str = "wasm_split_cli_support@0.2.4";

const CARGO_DENY: &str = "cargo-deny@0.20.2";

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A tool that `cargo install` builds, without optimisation and in a few minutes. trunk's own
/// release profile takes 10 minutes on two cores, for a program that runs for a second.
struct CargoTool {
    /// `name@version`
    package: String,
    programs: &'static [&'static str],
    flags: &'static [&'static str],
}

/// The tools that build and test the page.
pub(crate) struct PageTools {
    folders: Vec<PathBuf>,
}

impl PageTools {
    /// `PATH` with the tools in front.
    pub(crate) fn path(&self) -> Result<OsString> {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = self.folders.iter().cloned().chain(env::split_paths(&inherited));
        env::join_paths(all).context("a folder in PATH has a colon in its name")
    }
}

/// Sets up the tools that build and test the page.
pub(crate) fn for_page(step: &Step, workspace: &CargoWorkspace) -> Result<PageTools> {
    add_wasm_target(step, workspace)?;
    let wasm_bindgen = CargoTool {
        package: format!("wasm-bindgen-cli@{}", workspace.locked_version("wasm-bindgen")?),
        programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
        // It connects only to the WebDriver on this machine, so it needs no TLS.
        flags: &["--no-default-features"],
    };
    let trunk = CargoTool {
        package: TRUNK.to_owned(),
        programs: &["trunk"],
        // It always runs with --offline, so it needs neither TLS nor a check for updates.
        flags: &["--no-default-features"],
    };
    let wasm_split = CargoTool {
        package: WASM_SPLIT.to_owned(),
        programs: &["wasm-split-cli"],
        flags: &["--features", "build-binary"],
    };
    let tools = [wasm_bindgen, trunk, wasm_split];
    let folders = tools.iter().map(|tool| install(step, tool)).collect::<Result<_>>()?;
    Ok(PageTools { folders })
}

/// cargo-deny, which checks Cargo.lock against deny.toml.
pub(crate) fn cargo_deny(step: &Step) -> Result<PathBuf> {
    let tool = CargoTool { package: CARGO_DENY.to_owned(), programs: &["cargo-deny"], flags: &[] };
    Ok(install(step, &tool)?.join("cargo-deny"))
}

fn add_wasm_target(step: &Step, workspace: &CargoWorkspace) -> Result<()> {
    let rustc =
        Command::new("rustc").args(["--print", "sysroot"]).current_dir(&workspace.root).output();
    let sysroot = String::from_utf8(rustc.context("starting rustc")?.stdout)?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).join("lib").exists() {
        return Ok(());
    }
    if find_program("rustup").is_none() {
        bail!(
            "this Rust cannot build for {WASM_TARGET}, and there is no rustup to add the target: \
             install Rust with rustup"
        );
    }
    step.note(&format!("adding {WASM_TARGET}"));
    let rustup = Process::builder("rustup", "rustup").args(["target", "add", WASM_TARGET]);
    step.command(rustup.dir(&workspace.root)).map(drop)
}

/// Returns the folder with the programs of the tool, which it builds if necessary.
fn install(step: &Step, tool: &CargoTool) -> Result<PathBuf> {
    let CargoTool { package, programs, flags } = tool;
    let name = package.replace('@', "-");
    let in_path = find_program(programs[0]).and_then(|path| path.parent().map(Path::to_owned));
    let root = cache()?.join(&name);
    let mut candidates = in_path.into_iter().chain([root.join("bin")]);
    if let Some(bin) = candidates.find(|bin| has_version(bin, tool)) {
        return Ok(bin);
    }
    step.note(&format!("building {package} (once, a few minutes)"));
    let build_dir = cache()?.join(format!("build-{name}"));
    let cargo_install = |locked: &[&str]| {
        let builder = Process::builder("cargo install", "cargo")
            .args(["install", "--debug", "--force", package])
            .args(*flags)
            .args(locked)
            .arg("--root")
            .arg(&root)
            .env("CARGO_TARGET_DIR", &build_dir)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false")
            .env("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "false")
            .env("CARGO_INCREMENTAL", "0")
            .death_signal(Signal::TERM);
        step.command(builder)
    };
    // A locked dependency may have been yanked, or not compile with this Rust.
    cargo_install(&["--locked"])
        .or_else(|error| if interrupted() { Err(error) } else { cargo_install(&[]) })?;
    // Half a gigabyte that is not needed again. If this fails, the tool is usable nevertheless.
    let _ = fs::remove_dir_all(&build_dir);
    if !has_version(&root.join("bin"), tool) {
        bail!("cargo did not install {package} into {}", root.display());
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
            .context("creating a virtual environment (Debian package: python3-venv)")?;
        let pip =
            Process::builder("pip", root.join("bin/pip")).args(["install", "--quiet", package]);
        step.command(pip)?;
        fs::write(installed, package)?;
    }
    Ok(path)
}

/// The node_modules folder with npm's `packages` (`name@version`), in the cache.
pub(crate) fn from_npm(step: &Step, packages: &[&str]) -> Result<PathBuf> {
    let root = cache()?.join(packages.join("-"));
    let modules = root.join("node_modules");
    // npm writes this file last.
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

/// Whether `bin` contains all programs of the tool, and `.crates.toml` says that cargo installed
/// this version there. Not every program can print its version.
fn has_version(bin: &Path, tool: &CargoTool) -> bool {
    let installed = fs::read_to_string(bin.with_file_name(".crates.toml")).unwrap_or_default();
    let entry = format!("\"{} (", tool.package.replace('@', " "));
    tool.programs.iter().all(|program| bin.join(program).exists())
        && installed.lines().any(|line| line.starts_with(&entry))
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
