//! What tests read from the checkout: our binaries and the page; and the folders in the target
//! folder that they write to. `stack::testing` reads docker-compose.yml.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use stack::Process;

/// For the first build of the page and of the tools that it needs.
const BUILD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here)
}

/// The folder of our binaries, that of the profile that the test was built in.
pub fn binaries() -> Result<PathBuf> {
    let dir = profile()?;
    for name in ["server", "worker"] {
        let path = dir.join(name);
        ensure!(path.is_file(), "{} is missing: cargo build -p server -p worker", path.display());
    }
    Ok(dir)
}

fn profile() -> Result<PathBuf> {
    let test = std::env::current_exe().context("finding the test's own file")?;
    // target/<profile>/deps/<test>-<hash>
    test.ancestors().nth(2).map(Path::to_owned).context("the test is not in a target folder")
}

/// Builds client/dist, once a process, if it is older than its sources.
pub(crate) fn build_page() -> Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build =
            Process::builder("cargo xtask client", cargo).args(["xtask", "client"]).dir(root());
        build.run(BUILD_TIMEOUT).map(drop).map_err(|error| error.to_string())
    });
    built.clone().map_err(Error::msg)
}

/// A folder for what tests leave behind, in the target folder: `e2e-failures` has the pages of
/// failed tests, `page` has pictures of all states of the page.
pub fn folder(name: &str) -> Result<PathBuf> {
    let profile = profile()?;
    let dir = profile.parent().unwrap_or(&profile).join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}
