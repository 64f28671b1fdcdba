//! Running checks one after the other: each with its time, a failing one does not keep the later ones from running,
//! tests are counted, and at the end nothing that was started may be left. What is checked is not this module's
//! business.

use std::{
    fs,
    io::{Write, stdout},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use stack::{Builder, Output, descendants, wait_until};

use crate::{
    interrupt,
    progress::{Step, Steps},
};

/// What a process that was told to end may take.
const AFTERMATH: Duration = Duration::from_secs(5);
/// Pause between two looks whether a command has ended: what it measures should not be disturbed.
const LOOK: Duration = Duration::from_millis(200);

/// Passed and failed tests.
type Counts = Arc<Mutex<(usize, usize)>>;

/// A finished check.
struct Row {
    title: &'static str,
    took: Duration,
    passed: bool,
}

/// What was checked so far.
pub(crate) struct Report<'a> {
    steps: &'a Steps,
    rows: Vec<Row>,
    counts: Counts,
}

impl<'a> Report<'a> {
    /// Nothing yet. From here on, what loses its parent becomes our child: nothing gets out of sight.
    pub(crate) fn new(steps: &'a Steps) -> Result<Self> {
        set_child_subreaper(Some(getpid())).context("watching over what the tests start")?;
        Ok(Self { steps, rows: Vec::new(), counts: Counts::default() })
    }

    /// A check that shows its progress.
    pub(crate) fn step(&mut self, title: &'static str, work: impl FnOnce(&Step) -> Result<()>) {
        let steps = self.steps;
        self.check(title, || steps.run(title, work));
    }

    /// A command that must succeed.
    pub(crate) fn command(&mut self, title: &'static str, builder: Builder) {
        self.step(title, |step| step.command(builder).map(drop));
    }

    /// Tests, with their output on our own.
    pub(crate) fn tests(&mut self, title: &'static str, builder: Result<Builder>) {
        let counts = Arc::clone(&self.counts);
        self.check(title, || stream(builder?, &counts));
    }

    /// Prints the table; an error when a check failed.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.check("nothing is left running", nothing_left);
        interrupt::check()?;
        println!();
        for Row { title, took, passed } in &self.rows {
            println!("  {} {title:<32} {:>7.1} s", if *passed { "✓" } else { "✗" }, took.as_secs_f64());
        }
        let (passed, failed) = self.counts.lock().map_or((0, 0), |sum| *sum);
        if passed + failed > 0 {
            println!("\n{passed} tests passed, {failed} failed");
        }
        let bad: Vec<&str> = self.rows.iter().filter(|row| !row.passed).map(|row| row.title).collect();
        if !bad.is_empty() {
            bail!("not passed: {}", bad.join(", "));
        }
        Ok(())
    }

    fn check(&mut self, title: &'static str, work: impl FnOnce() -> Result<()>) {
        if interrupt::requested() {
            return;
        }
        let start = Instant::now();
        let outcome = work();
        if let Err(e) = &outcome {
            eprintln!("{}", crate::explain(e));
        }
        self.rows.push(Row { title, took: start.elapsed(), passed: outcome.is_ok() });
    }
}

/// Runs a command with its output on our own, counting the tests in it.
fn stream(builder: Builder, counts: &Counts) -> Result<()> {
    eprintln!("· {builder}");
    let counts = counts.clone();
    let output = Output::lines(move |line| {
        let _ = writeln!(stdout().lock(), "{line}");
        if let (Some((passed, failed)), Ok(mut sum)) = (tests_in(line), counts.lock()) {
            *sum = (sum.0 + passed, sum.1 + failed);
        }
    });
    let mut process = builder.output(output).spawn()?;
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        interrupt::check()?;
        thread::sleep(LOOK);
    };
    if !status.success() {
        bail!("tests failed ({status})");
    }
    Ok(())
}

/// Reads `test result: ok. 18 passed; 0 failed; …`.
fn tests_in(line: &str) -> Option<(usize, usize)> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut numbers = numbers.split("; ").map(|part| part.split(' ').next().and_then(|n| n.parse().ok()));
    Some((numbers.next()??, numbers.next()??))
}

fn nothing_left() -> Result<()> {
    let left = || descendants(std::process::id());
    if wait_until("nothing is left", AFTERMATH, || left().is_empty()).is_ok() {
        return Ok(());
    }
    let survivors = left();
    let lines: Vec<String> = survivors.iter().map(|pid| format!("{pid} {}", command_line(*pid))).collect();
    for pid in survivors {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // One that has just ended by itself is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    bail!("the tests left these running:\n{}", lines.join("\n"))
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn results_are_read_from_the_lines_of_the_test_harness() {
        let line = "test result: FAILED. 17 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(tests_in(line), Some((17, 1)));
        assert_eq!(tests_in("test result: ok. 3 passed; 0 failed; 0 ignored"), Some((3, 0)));
        assert_eq!(tests_in("running 3 tests"), None);
        // What a test prints of tests that it runs itself is not the harness's.
        assert_eq!(tests_in("  test result: ok. 3 passed; 0 failed; 0 ignored"), None);
    }
    #[test]
    fn what_a_test_leaves_running_is_found_even_when_it_hides_and_is_ended() {
        set_child_subreaper(Some(getpid())).unwrap();
        // Without a parent, a session or an environment that would tell where it comes from.
        let hide = Command::new("env").args(["-i", "setsid", "--fork", "sleep", "300"]).status().unwrap();
        assert!(hide.success());
        let error = nothing_left().unwrap_err().to_string();
        assert!(error.contains("sleep 300"), "{error}");
        nothing_left().unwrap();
    }
}
