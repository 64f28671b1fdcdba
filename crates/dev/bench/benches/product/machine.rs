//! What machine this is, which day, and which versions of the others: a figure without them says little.
//!
//! It names kinds and versions, and nothing that would tell one machine of a kind from another: no host name, no path.

use std::fs;
use std::process::Command;

use crate::prepared;

/// The machine, the date and the versions, as lines of Markdown.
pub(crate) fn describe() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory =
        field("/proc/meminfo", "MemTotal").and_then(|total| total.split(' ').next()?.parse::<f64>().ok());
    let memory =
        memory.map_or_else(String::new, |kilobytes| format!(", {:.0} GiB", kilobytes / f64::from(1 << 20)));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The version without the builder's own name for it.
    let kernel = kernel.split('-').next().unwrap_or_default();
    let versions = [
        said("postgres", &["--version"]),
        said("redis-server", &["--version"])
            .map(|said| said.split(" sha=").next().unwrap_or_default().to_owned()),
        said("node", &["--version"]).map(|version| format!("Node {version}")),
        said("rustc", &["--version"]),
        prepared("PYTHON").ok().and_then(|python| {
            said(
                python.to_str()?,
                &["-c", "import gmpy2; print(gmpy2.mp_version(), 'by gmpy2', gmpy2.version())"],
            )
        }),
        said("wrk", &["--version"]).and_then(|said| Some(said.split_once(" [")?.0.to_owned())),
    ];
    let peers =
        fs::read_to_string(e2e::root().join("crates/dev/bench/peers/node/package.json")).unwrap_or_default();
    let peers: serde_json::Value = serde_json::from_str(&peers).unwrap_or_default();
    let peers = peers["dependencies"].as_object().into_iter().flatten();
    let peers = peers.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()));
    let versions: Vec<String> = versions.into_iter().flatten().chain(peers).collect();
    format!(
        "- Date: {}\n- Machine: {cpu}, {cores} cores{memory}, Linux {}\n- Versions: {}",
        said("date", &["--utc", "+%F"]).unwrap_or_default(),
        kernel.trim(),
        versions.join("; ")
    )
}

/// The value of the first line `name : value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

/// What a program says.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(stack::find_program(program)?).args(args).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
