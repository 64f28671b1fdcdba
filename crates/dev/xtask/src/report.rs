//! Runs checks one after the other, even if one fails, and prints the outcome and time of each. The
//! last check is that no process was left running.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{getpid, set_child_subreaper};
use stack::{Builder, Output, Signal, descendants, send_signal, wait_until};

use crate::progress::{Step, Steps, wait_for};
use crate::terminal::{check_interrupt, eprintln, interrupted, println};

/// Time for processes that the checks started to end.
const LEFTOVER_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) enum CheckOutcome {
    Passed,
    Failed,
    Skipped(&'static str),
}

pub(crate) struct Report<'a> {
    steps: &'a Steps,
    checks: Vec<(&'static str, Duration, CheckOutcome)>,
}

impl<'a> Report<'a> {
    /// Makes orphaned processes children of this one, so that [`Report::finish`] finds them.
    pub(crate) fn new(steps: &'a Steps) -> Result<Self> {
        set_child_subreaper(Some(getpid())).context("becoming the parent of orphaned processes")?;
        Ok(Self { steps, checks: Vec::new() })
    }

    pub(crate) fn step(&mut self, title: &'static str, work: impl FnOnce(&Step) -> Result<()>) {
        self.skippable_step(title, |step| work(step).map(|()| CheckOutcome::Passed));
    }

    /// A check that `work` may skip, because something that it needs is missing.
    pub(crate) fn skippable_step(
        &mut self,
        title: &'static str,
        work: impl FnOnce(&Step) -> Result<CheckOutcome>,
    ) {
        let steps = self.steps;
        self.check(title, || steps.run(title, work));
    }

    pub(crate) fn command(&mut self, title: &'static str, builder: Builder) {
        self.step(title, |step| step.command(builder).map(drop));
    }

    /// Runs tests, and prints their output as it comes.
    pub(crate) fn tests(&mut self, title: &'static str, builder: Result<Builder>) {
        self.check(title, || run_tests(builder?).map(|()| CheckOutcome::Passed));
    }

    /// Prints all outcomes, and fails if a check has failed.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.check("nothing is left running", || kill_leftovers().map(|()| CheckOutcome::Passed));
        check_interrupt()?;
        println!();
        let mut failed = Vec::new();
        for (title, elapsed, outcome) in &self.checks {
            let (mark, note) = match outcome {
                CheckOutcome::Passed => ("✓", String::new()),
                CheckOutcome::Skipped(reason) => ("-", format!("  skipped: {reason}")),
                CheckOutcome::Failed => {
                    failed.push(*title);
                    ("✗", String::new())
                }
            };
            println!("  {mark} {title:<32} {:>7.1} s{note}", elapsed.as_secs_f64());
        }
        ensure!(failed.is_empty(), "not passed: {}", failed.join(", "));
        Ok(())
    }

    fn check(&mut self, title: &'static str, work: impl FnOnce() -> Result<CheckOutcome>) {
        if interrupted() {
            return;
        }
        let start = Instant::now();
        let outcome = work().unwrap_or_else(|error| {
            eprintln!("{error:#}");
            CheckOutcome::Failed
        });
        self.checks.push((title, start.elapsed(), outcome));
    }
}

fn run_tests(builder: Builder) -> Result<()> {
    eprintln!("· {builder}");
    let output = Output::lines(|line| println!("{line}"));
    let status = wait_for(&mut builder.output(output).spawn()?, check_interrupt)?;
    ensure!(status.success(), "tests failed ({status})");
    Ok(())
}

/// Fails if processes that the checks started are still running, and kills them.
fn kill_leftovers() -> Result<()> {
    let running = || descendants(std::process::id());
    if wait_until("all processes have ended", LEFTOVER_TIMEOUT, || running().is_empty()).is_ok() {
        return Ok(());
    }
    let leftovers = running();
    let lines: Vec<String> =
        leftovers.iter().map(|pid| format!("{pid} {}", command_line(*pid))).collect();
    leftovers.into_iter().try_for_each(|pid| send_signal(pid, Signal::KILL))?;
    bail!("the tests left these running:\n{}", lines.join("\n"))
}

fn command_line(pid: u32) -> String {
    let process = i32::try_from(pid).ok().and_then(|pid| procfs::process::Process::new(pid).ok());
    process.and_then(|process| process.cmdline().ok()).unwrap_or_default().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_daemon_that_a_test_leaves_running_is_found_and_killed() {
        set_child_subreaper(Some(getpid())).unwrap();
        // A daemon has neither the parent, the session nor the environment of the test.
        let daemon =
            Command::new("env").args(["-i", "setsid", "--fork", "sleep", "300"]).status().unwrap();
        assert!(daemon.success());
        let error = kill_leftovers().unwrap_err().to_string();
        assert!(error.contains("sleep 300"), "{error}");
        kill_leftovers().unwrap();
    }
}
