//! The engine against GMP: time for the decimal digits of F(n), one thread each, in turn; and what
//! a second core adds. Each measurement is a process of its own, with cold caches.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bench::figure::{Figure, Goal, Sample};

use crate::prepared;

const ROUNDS: usize = 5;

/// The same below a microsecond, where other load doubles a result for seconds.
const ROUNDS_OF_TINY: usize = 15;

/// Indices below take less than a microsecond.
const TINY: u64 = 1_500;

/// Measurements of which each round takes the median.
const REPEAT: &str = "3";

/// The goals: an index, and how many times as fast as GMP. Elsewhere it must not be slower.
const LARGE: [(u64, f64); 3] = [(1_000_000, 2.5), (10_000_000, 4.0), (100_000_000, 5.0)];

/// Indices for two cores; at the smallest, a second core just begins to help.
const TWO_CORES: [(u64, Goal); 3] =
    [(4_000_000, Goal::Open), (10_000_000, Goal::Times(1.0)), (100_000_000, Goal::Times(1.0))];

/// Even and odd indices from 0 up, on both sides of the engine's crossovers.
const SMALL: [u64; 29] = [
    0, 1, 10, 50, 100, 200, 256, 257, 300, 515, 700, 771, 1_029, 1_500, 2_057, 3_001, 4_113, 6_001, 8_225,
    10_000, 12_001, 14_999, 15_000, 20_001, 50_000, 100_001, 200_000, 350_001, 500_000,
];

/// Bytes of memory for a digit.
const MEMORY: f64 = 15.0;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let goals = SMALL.map(|n| (n, 1.0)).into_iter().chain(LARGE);
    let mut figures = Vec::new();
    for (n, times) in goals {
        let (mut ours, mut gmp) = (Vec::new(), Vec::new());
        let rounds = if n < TINY { ROUNDS_OF_TINY } else { ROUNDS };
        for _ in 0..rounds {
            ours.push(ours_once(n, 1)? * 1e6);
            gmp.push(gmp_once(n)? * 1e6);
        }
        let figure = Figure::less(format!("F({n})"), "µs", Sample::new(ours), Goal::Times(times));
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
        let memory = (0..ROUNDS).map(|_| Ok(peak(n, threads)? / digits(n))).collect::<Result<_>>()?;
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
    // Beside the folder of this benchmark.
    let deps = std::env::current_exe()?;
    deps.ancestors().nth(2).map(|dir| dir.join("examples/fib")).context("the folder of the build")
}

fn ours_once(n: u64, threads: usize) -> Result<f64> {
    let threads = threads.to_string();
    seconds(Command::new(fib()?).args([&n.to_string(), "--time", "--repeat", REPEAT, "--threads", &threads]))
}

fn gmp_once(n: u64) -> Result<f64> {
    let peer = e2e::root().join("crates/dev/bench/peers/gmp.py");
    seconds(Command::new(prepared("PYTHON")?).arg(peer).args([&n.to_string(), REPEAT]))
}

/// The seconds that a command prints.
fn seconds(command: &mut Command) -> Result<f64> {
    Ok(said(command)?.parse()?)
}

/// The most memory that the process which prints F(n) has had, in bytes.
fn peak(n: u64, threads: usize) -> Result<f64> {
    let peer = e2e::root().join("crates/dev/bench/peers/peak.py");
    let (n, threads) = (n.to_string(), threads.to_string());
    let fib = [fib()?.into_os_string(), n.into(), "--threads".into(), threads.into()];
    let kilobytes: f64 = seconds(Command::new(prepared("PYTHON")?).arg(peer).args(fib))?;
    Ok(kilobytes * 1_024.0)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How many digits F(n) has, about.
fn digits(n: u64) -> f64 {
    n as f64 * f64::midpoint(1.0, 5.0_f64.sqrt()).log10()
}
