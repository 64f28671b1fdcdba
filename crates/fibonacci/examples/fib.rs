//! F(n) on the command line: its digits, or how long they take.
//!
//!     cargo run --release -p fibonacci --example fib -- 1000
//!     cargo run --release -p fibonacci --example fib -- --time 100000000 --repeat 5 --threads 2
//!
//! With `--time` it prints the seconds of one calculation and nothing else: the median of so many measurements as
//! `--repeat` says, after one that is not counted, since the first makes the tables that the others find. A short
//! calculation is done as often as fits a twentieth of a second, and a measurement is its mean.

use std::hint::black_box;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fibonacci::{Mismatch, calculate};

const USAGE: &str = "usage: fib [--time] [--repeat K] [--threads T] N";

/// A measurement is at least so long, lest the clock be what is measured.
const SHORTEST: Duration = Duration::from_millis(50);

struct Arguments {
    n: u64,
    time: bool,
    repeat: NonZeroUsize,
    threads: NonZeroUsize,
}

fn main() -> ExitCode {
    let Some(arguments) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let answer = if arguments.time {
        seconds(&arguments).map(|seconds| format!("{seconds:.12}"))
    } else {
        calculate(arguments.n, arguments.threads).map(|value| value.digits)
    };
    match answer {
        // Whoever reads may stop reading.
        Ok(line) => match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(mismatch) => {
            eprintln!("{mismatch}");
            ExitCode::FAILURE
        }
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let one = NonZeroUsize::MIN;
    let (mut n, mut time, mut repeat, mut threads) = (None, false, one, one);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--time" => time = true,
            "--repeat" => repeat = words.next()?.parse().ok()?,
            "--threads" => threads = words.next()?.parse().ok()?,
            number => n = Some(number.parse().ok()?),
        }
    }
    Some(Arguments { n: n?, time, repeat, threads })
}

/// The median of the measurements.
fn seconds(arguments: &Arguments) -> Result<f64, Mismatch> {
    let mut times = 1;
    // The first one is not counted: it makes the tables.
    measure(arguments, times)?;
    while measure(arguments, times)? * f64::from(times) < SHORTEST.as_secs_f64() {
        times *= 2;
    }
    let mut measured: Vec<f64> =
        (0..arguments.repeat.get()).map(|_| measure(arguments, times)).collect::<Result<_, _>>()?;
    measured.sort_by(f64::total_cmp);
    Ok(measured[measured.len() / 2])
}

/// The mean seconds of so many calculations.
fn measure(arguments: &Arguments, times: u32) -> Result<f64, Mismatch> {
    let started = Instant::now();
    for _ in 0..times {
        black_box(calculate(black_box(arguments.n), arguments.threads)?);
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(times))
}
