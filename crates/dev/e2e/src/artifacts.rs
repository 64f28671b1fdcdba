//! Where the things under test are: our binaries beside the running test, the page in `client/dist`, and the folder
//! for what a failed test leaves behind. It has the page built when that is needed, and builds nothing else.
//!
//! What is missing is an error that names it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The checkout.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here)
}

/// The folder of the profile the tests were built in: `target/debug`, or wherever cargo was told to build.
fn profile() -> Result<PathBuf> {
    let test = std::env::current_exe().context("finding the test's own file")?;
    // target/<profile>/deps/<test>-<hash>
    test.ancestors().nth(2).map(Path::to_owned).context("the test is not in a target folder")
}

/// One of our binaries.
///
/// # Errors
/// When it was not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let path = profile()?.join(name);
    if !path.is_file() {
        bail!("{} is missing; build it: cargo build -p server -p worker", path.display());
    }
    Ok(path)
}

/// The built page. `cargo xtask client` knows whether it is stale.
///
/// # Errors
/// With what the build said.
pub(crate) fn page() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        let output = build.args(["xtask", "client"]).current_dir(root()).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    let dist = root().join("client/dist");
    match built {
        Ok(()) => Ok(dist),
        Err(why) => bail!("`cargo xtask client` failed:\n{why}"),
    }
}

/// A folder for what tests leave behind, in the target folder: `e2e-failures` has the pages of failed tests, `page` has
/// pictures of all states of the page.
///
/// # Errors
/// When it cannot be created.
pub fn folder(name: &str) -> Result<PathBuf> {
    let profile = profile()?;
    let dir = profile.parent().unwrap_or(&profile).join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}
