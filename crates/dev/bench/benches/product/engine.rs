//! The engine: time for the decimal digits of F(n) on one thread, compared with GMP; time on two
//! cores, compared with one; peak memory. Each round runs in a new process.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};

use crate::prepared_path;

const ROUNDS: usize = 5;

/// The number of measurements in a round, as an argument. Their median is the round's result.
const MEASUREMENTS: &str = "3";

/// Indices for which the goal is less than a microsecond. GMP is faster for some of them.
const SMALL: [u64; 5] = [0, 10, 100, 300, 999];

/// Indices for which the goal is to be at least as fast as GMP: even and odd ones; some just above
/// a power of two, which need one more doubling step; 1,151, where the times are closest; both
/// sides of `fibonacci::CROSSOVER`, from which on the engine uses FFTs.
const MEDIUM: [u64; 19] = [
    1_000, 1_029, 1_151, 1_500, 2_057, 3_001, 4_113, 6_001, 8_225, 10_000, 12_001, 14_999, 15_000,
    20_001, 50_000, 100_001, 200_000, 350_001, 500_000,
];

/// Large indices, and the goal for each: how many times as fast as GMP.
const LARGE: [(u64, f64); 3] = [(1_000_000, 2.5), (10_000_000, 4.0), (100_000_000, 5.0)];

/// Indices, and goals for two cores against one. A second core begins to help at the first index.
const TWO_CORES: [(u64, Goal); 3] =
    [(4_000_000, Goal::Open), (10_000_000, Goal::Times(1.0)), (100_000_000, Goal::Times(1.0))];

/// The goal for peak memory per digit, in bytes.
const MAX_BYTES_PER_DIGIT: f64 = 15.0;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let small = SMALL.map(|n| (n, Goal::Below(1.0)));
    let medium = MEDIUM.map(|n| (n, Goal::Times(1.0)));
    let large = LARGE.map(|(n, times)| (n, Goal::Times(times)));
    let mut figures = Vec::new();
    for (n, goal) in small.into_iter().chain(medium).chain(large) {
        let (mut ours, mut gmp) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(engine_seconds(n, 1)? * 1e6);
            gmp.push(gmp_seconds(n)? * 1e6);
        }
        let ours = Sample::new(ours);
        let figure = Figure::less_is_better(format!("F({n})"), "µs", ours, goal);
        figures.push(figure.against("GMP", Sample::new(gmp)));
    }
    for (n, goal) in TWO_CORES {
        let (mut two, mut one) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            two.push(engine_seconds(n, 2)? * 1e3);
            one.push(engine_seconds(n, 1)? * 1e3);
        }
        let (title, two) = (format!("F({n}) on two cores"), Sample::new(two));
        let figure = Figure::less_is_better(title, "ms", two, goal);
        figures.push(figure.against("on one", Sample::new(one)));
    }
    let [.., (n, _)] = LARGE;
    for (threads, cores) in [(1, "one core"), (2, "two cores")] {
        let bytes_per_digit = (0..ROUNDS).map(|_| Ok(peak_bytes(n, threads)? / digit_count(n)));
        figures.push(Figure::less_is_better(
            format!("F({n}) on {cores}, peak memory of the process per digit"),
            "bytes",
            Sample::new(bytes_per_digit.collect::<Result<_>>()?),
            Goal::Below(MAX_BYTES_PER_DIGIT),
        ));
    }
    Ok(figures)
}

fn fib_path() -> Result<PathBuf> {
    // Cargo puts benchmarks into `deps` and examples into `examples`, both in the profile's
    // directory.
    let benchmark = std::env::current_exe()?;
    let profile_dir = benchmark.ancestors().nth(2);
    let profile_dir = profile_dir.context("the benchmark is not in Cargo's target directory")?;
    Ok(profile_dir.join("examples/fib"))
}

/// Measures the seconds that the engine takes for F(n).
fn engine_seconds(n: u64, threads: usize) -> Result<f64> {
    let threads = threads.to_string();
    printed_number(Command::new(fib_path()?).args([
        &n.to_string(),
        "--time",
        "--repeat",
        MEASUREMENTS,
        "--threads",
        &threads,
    ]))
}

/// Measures the seconds that GMP takes for F(n).
fn gmp_seconds(n: u64) -> Result<f64> {
    let script = e2e::root().join("crates/dev/bench/peers/gmp.py");
    let python = prepared_path("PYTHON")?;
    printed_number(Command::new(python).arg(script).args([&n.to_string(), MEASUREMENTS]))
}

/// Runs a command and returns the number that it prints.
fn printed_number(command: &mut Command) -> Result<f64> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// Measures the peak memory of a process that prints F(n), in bytes.
fn peak_bytes(n: u64, threads: usize) -> Result<f64> {
    let script = e2e::root().join("crates/dev/bench/peers/peak.py");
    let (n, threads) = (n.to_string(), threads.to_string());
    let command = [fib_path()?.into_os_string(), n.into(), "--threads".into(), threads.into()];
    let kibibytes =
        printed_number(Command::new(prepared_path("PYTHON")?).arg(script).args(command))?;
    Ok(kibibytes * 1_024.0)
}

/// The approximate number of digits of F(n): n·log10(φ).
fn digit_count(n: u64) -> f64 {
    n as f64 * f64::midpoint(1.0, 5.0_f64.sqrt()).log10()
}
