//! The machine, the date and the versions of the programs, for the top of BENCHMARKS.md. Host names
//! and paths are left out, because the file is published.

use std::fs;
use std::process::Command;

use procfs::{CpuInfo, Current, Meminfo};

use crate::prepared_path;

const GMP_VERSION: &str = "import gmpy2; print(gmpy2.mp_version(), 'by gmpy2', gmpy2.version())";

/// A list in Markdown.
pub(crate) fn describe() -> String {
    let cpu = CpuInfo::current().ok().and_then(|cpu| Some(cpu.model_name(0)?.to_owned()));
    let cpu = cpu.unwrap_or_else(|| "unknown processor".to_owned());
    let bytes = Meminfo::current().map_or(0, |memory| memory.mem_total);
    let memory = format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = procfs::sys::kernel::Version::current();
    let kernel = kernel.map_or(String::new(), |version| {
        format!("Linux {}.{}.{}", version.major, version.minor, version.patch)
    });
    let versions = [
        stdout("postgres", &["--version"]),
        stdout("redis-server", &["--version"])
            .map(|version| version.split(" sha=").next().unwrap_or_default().to_owned()),
        stdout("node", &["--version"]).map(|version| format!("Node {version}")),
        stdout("rustc", &["--version"]),
        prepared_path("PYTHON")
            .ok()
            .and_then(|python| stdout(python.to_str()?, &["-c", GMP_VERSION])),
        stdout("wrk", &["--version"])
            .and_then(|version| Some(version.split_once(" [")?.0.to_owned())),
    ];
    let package = fs::read_to_string(e2e::root().join("crates/dev/bench/peers/node/package.json"))
        .unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&package).unwrap_or_default();
    let dependencies = package["dependencies"].as_object().into_iter().flatten();
    let dependencies = dependencies
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()));
    let versions: Vec<String> = versions.into_iter().flatten().chain(dependencies).collect();
    format!(
        "- Date: {}\n- Machine: {cpu}, {cores} cores, {memory}, {kernel}\n- Versions: {}",
        stdout("date", &["--utc", "+%F"]).unwrap_or_default(),
        versions.join("; ")
    )
}

/// The output of a program, without surrounding white space.
fn stdout(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(stack::find_program(program)?).args(args).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
