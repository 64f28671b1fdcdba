//! F(n) on the command line: its digits, or with `--time` the seconds of one calculation.
//!
//!     cargo run --release -p fibonacci --example fib -- 1000
//!     cargo run --release -p fibonacci --example fib -- --time 100000000 --repeat 5 --threads 2
//!
//! The time is the median of `--repeat` measurements, after one warm-up that creates the FFT plans.

use std::hint::black_box;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fibonacci::{Mismatch, calculate};

const USAGE: &str = "usage: fib [--time] [--repeat K] [--threads T] N";

/// A measurement repeats the calculation until it takes about this long, so that the clock's
/// resolution does not matter.
const MIN_MEASUREMENT: Duration = Duration::from_millis(50);

struct Arguments {
    n: u64,
    time: bool,
    repeat: NonZeroUsize,
    threads: NonZeroUsize,
}

fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let answer = if arguments.time {
        seconds(&arguments).map(|seconds| format!("{seconds:.12}"))
    } else {
        calculate(arguments.n, arguments.threads).map(|value| value.digits)
    };
    match answer {
        // A closed pipe is no reason to panic, as `println!` would.
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

fn parse(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
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

/// The median of the measurements, in seconds.
fn seconds(arguments: &Arguments) -> Result<f64, Mismatch> {
    let mut times = 1;
    measure(arguments, times)?;
    while measure(arguments, times)? * f64::from(times) < MIN_MEASUREMENT.as_secs_f64() {
        times *= 2;
    }
    let mut measured: Vec<f64> =
        (0..arguments.repeat.get()).map(|_| measure(arguments, times)).collect::<Result<_, _>>()?;
    measured.sort_by(f64::total_cmp);
    Ok(measured[measured.len() / 2])
}

/// The mean of `times` calculations, in seconds.
fn measure(arguments: &Arguments, times: u32) -> Result<f64, Mismatch> {
    let started = Instant::now();
    for _ in 0..times {
        black_box(calculate(black_box(arguments.n), arguments.threads)?);
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(times))
}
