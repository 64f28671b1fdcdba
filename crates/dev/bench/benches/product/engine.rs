//! The engine against GMP: time for the decimal digits of F(n), one thread each, in turn; and what
//! a second core adds. Each measurement is a process of its own, with cold caches.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};

use crate::prepared;

const ROUNDS: usize = 5;

/// Measurements of which each round takes the median.
const REPEAT: &str = "3";

/// Indices for which a call takes less than a microsecond, even where GMP is faster.
const SMALL: [u64; 5] = [0, 10, 100, 300, 999];

/// Indices for which we are never slower than GMP: even and odd ones, some just above a power of
/// two, where another doubling begins, 1,151, where the two are closest, and both sides of the
/// engine's crossover from integers to FFTs.
const MEDIUM: [u64; 19] = [
    1_000, 1_029, 1_151, 1_500, 2_057, 3_001, 4_113, 6_001, 8_225, 10_000, 12_001, 14_999, 15_000,
    20_001, 50_000, 100_001, 200_000, 350_001, 500_000,
];

/// Large indices, and at least how many times as fast as GMP we are.
const LARGE: [(u64, f64); 3] = [(1_000_000, 2.5), (10_000_000, 4.0), (100_000_000, 5.0)];

/// Indices for two cores; at the smallest, a second core just begins to help.
const TWO_CORES: [(u64, Goal); 3] =
    [(4_000_000, Goal::Open), (10_000_000, Goal::Times(1.0)), (100_000_000, Goal::Times(1.0))];

/// Bytes of memory for a digit.
const MEMORY: f64 = 15.0;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let small = SMALL.map(|n| (n, Goal::Below(1.0)));
    let medium = MEDIUM.map(|n| (n, Goal::Times(1.0)));
    let large = LARGE.map(|(n, times)| (n, Goal::Times(times)));
    let mut figures = Vec::new();
    for (n, goal) in small.into_iter().chain(medium).chain(large) {
        let (mut ours, mut gmp) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(ours_once(n, 1)? * 1e6);
            gmp.push(gmp_once(n)? * 1e6);
        }
        let figure = Figure::less(format!("F({n})"), "µs", Sample::new(ours), goal);
        figures.push(figure.against("GMP", Sample::new(gmp)));
    }
    for (n, goal) in TWO_CORES {
        let (mut two, mut one) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            two.push(ours_once(n, 2)? * 1e3);
            one.push(ours_once(n, 1)? * 1e3);
        }
        let figure = Figure::less(format!("F({n}) on two cores"), "ms", Sample::new(two), goal);
        figures.push(figure.against("on one", Sample::new(one)));
    }
    let (n, _) = LARGE[2];
    for (threads, on) in [(1, "one core"), (2, "two cores")] {
        let memory =
            (0..ROUNDS).map(|_| Ok(peak(n, threads)? / digits(n))).collect::<Result<_>>()?;
        figures.push(Figure::less(
            format!("F({n}) on {on}, peak memory of the process a digit"),
            "bytes",
            Sample::new(memory),
            Goal::Below(MEMORY),
        ));
    }
    Ok(figures)
}

fn fib() -> Result<PathBuf> {
    // Cargo builds examples beside the folder of the benchmarks.
    let deps = std::env::current_exe()?;
    deps.ancestors().nth(2).map(|dir| dir.join("examples/fib")).context("the folder of the build")
}

/// The seconds that the engine takes.
fn ours_once(n: u64, threads: usize) -> Result<f64> {
    let threads = threads.to_string();
    number(Command::new(fib()?).args([
        &n.to_string(),
        "--time",
        "--repeat",
        REPEAT,
        "--threads",
        &threads,
    ]))
}

/// The seconds that GMP takes.
fn gmp_once(n: u64) -> Result<f64> {
    let peer = e2e::root().join("crates/dev/bench/peers/gmp.py");
    number(Command::new(prepared("PYTHON")?).arg(peer).args([&n.to_string(), REPEAT]))
}

/// The number that a command prints.
fn number(command: &mut Command) -> Result<f64> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// The peak memory of a process that prints F(n), in bytes.
fn peak(n: u64, threads: usize) -> Result<f64> {
    let peer = e2e::root().join("crates/dev/bench/peers/peak.py");
    let (n, threads) = (n.to_string(), threads.to_string());
    let fib = [fib()?.into_os_string(), n.into(), "--threads".into(), threads.into()];
    let kilobytes = number(Command::new(prepared("PYTHON")?).arg(peer).args(fib))?;
    Ok(kilobytes * 1_024.0)
}

/// The approximate number of digits of F(n).
fn digits(n: u64) -> f64 {
    n as f64 * f64::midpoint(1.0, 5.0_f64.sqrt()).log10()
}
