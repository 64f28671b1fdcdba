//! Paths in the checkout and its target folder: our binaries, the built page, and the folders that
//! tests write to.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use stack::Process;

/// The first build of the page installs its tools, too.
const PAGE_BUILD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The root of the checkout.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(3).unwrap_or(package)
}

/// The folder of the server and the worker that were built with the profile of this test.
pub fn binaries_dir() -> Result<PathBuf> {
    let dir = profile_dir()?;
    for name in ["server", "worker"] {
        let path = dir.join(name);
        ensure!(path.is_file(), "{} is missing: cargo build -p server -p worker", path.display());
    }
    Ok(dir)
}

fn profile_dir() -> Result<PathBuf> {
    let test = std::env::current_exe().context("finding the test's executable")?;
    // target/<profile>/deps/<test>-<hash>
    test.ancestors().nth(2).map(Path::to_owned).context("the test is not in a target folder")
}

/// Builds client/dist if its sources have changed; checks this once per process.
pub(crate) fn build_page() -> Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build =
            Process::builder("cargo xtask client", cargo).args(["xtask", "client"]).dir(root());
        build.run(PAGE_BUILD_TIMEOUT).map(drop).map_err(|error| error.to_string())
    });
    built.clone().map_err(Error::msg)
}

/// Creates a folder for the output of tests in the target folder: `e2e-failures` has the pages of
/// failed tests, `page` has screenshots and Lighthouse reports.
pub fn output_dir(name: &str) -> Result<PathBuf> {
    let profile = profile_dir()?;
    let dir = profile.parent().unwrap_or(&profile).join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}
