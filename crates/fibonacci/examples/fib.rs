//! Prints F(n), or with `--time` the seconds that one calculation takes.
//!
//!     cargo run --release -p fibonacci --example fib -- 1000
//!     cargo run --release -p fibonacci --example fib -- --time 100000000 --repeat 5 --threads 2
//!
//! The time is the median of `--repeat` measurements, after a warm-up that creates the FFT plans.

use std::hint::black_box;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fibonacci::{Mismatch, calculate};

const USAGE: &str = "usage: fib [--time] [--repeat K] [--threads T] N";

/// A measurement repeats the calculation until it takes at least about this long, so that the
/// resolution of the clock does not matter.
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
    let line = if arguments.time {
        seconds(&arguments).map(|seconds| format!("{seconds:.12}"))
    } else {
        calculate(arguments.n, arguments.threads).map(|value| value.digits)
    };
    match line {
        // Not `println!`, which panics when the pipe is closed.
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

/// The median of the measurements, in seconds for each calculation.
fn seconds(arguments: &Arguments) -> Result<f64, Mismatch> {
    let mut calculations = 1;
    measure(arguments, calculations)?;
    let min_seconds = MIN_MEASUREMENT.as_secs_f64();
    while measure(arguments, calculations)? * f64::from(calculations) < min_seconds {
        calculations *= 2;
    }
    let measurements = (0..arguments.repeat.get()).map(|_| measure(arguments, calculations));
    let mut seconds = measurements.collect::<Result<Vec<_>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// The mean time of `calculations` calculations, in seconds.
fn measure(arguments: &Arguments, calculations: u32) -> Result<f64, Mismatch> {
    let started = Instant::now();
    for _ in 0..calculations {
        black_box(calculate(black_box(arguments.n), arguments.threads)?);
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(calculations))
}
