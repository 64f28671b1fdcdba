//! Runs checks one after the other, all of them even if one fails, with their times; and checks at
//! the end that nothing was left running.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{getpid, set_child_subreaper};
use stack::{Builder, Output, Signal, descendants, send_signal, wait_until};

use crate::progress::{Step, Steps, wait_for};
use crate::terminal::{check_interrupt, eprintln, interrupted, println};

const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// No checks yet. From here on, orphans become our children, so that none is overlooked.
    pub(crate) fn new(steps: &'a Steps) -> Result<Self> {
        set_child_subreaper(Some(getpid())).context("adopting the orphans of tests")?;
        Ok(Self { steps, checks: Vec::new() })
    }

    pub(crate) fn step(&mut self, title: &'static str, work: impl FnOnce(&Step) -> Result<()>) {
        self.skippable_step(title, |step| work(step).map(|()| CheckOutcome::Passed));
    }

    /// A check that may find that it cannot be made here.
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

    pub(crate) fn tests(&mut self, title: &'static str, builder: Result<Builder>) {
        self.check(title, || stream(builder?).map(|()| CheckOutcome::Passed));
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.check("nothing is left running", || nothing_left().map(|()| CheckOutcome::Passed));
        check_interrupt()?;
        println!();
        let mut failed = Vec::new();
        for (title, took, outcome) in &self.checks {
            let (mark, note) = match outcome {
                CheckOutcome::Passed => ("✓", String::new()),
                CheckOutcome::Skipped(reason) => ("-", format!("  skipped: {reason}")),
                CheckOutcome::Failed => {
                    failed.push(*title);
                    ("✗", String::new())
                }
            };
            println!("  {mark} {title:<32} {:>7.1} s{note}", took.as_secs_f64());
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

fn stream(builder: Builder) -> Result<()> {
    eprintln!("· {builder}");
    let output = Output::lines(|line| println!("{line}"));
    let status = wait_for(&mut builder.output(output).spawn()?, check_interrupt)?;
    ensure!(status.success(), "tests failed ({status})");
    Ok(())
}

fn nothing_left() -> Result<()> {
    let left = || descendants(std::process::id());
    if wait_until("nothing is left", EXIT_TIMEOUT, || left().is_empty()).is_ok() {
        return Ok(());
    }
    let survivors = left();
    let lines: Vec<String> =
        survivors.iter().map(|pid| format!("{pid} {}", command_line(*pid))).collect();
    survivors.into_iter().try_for_each(|pid| send_signal(pid, Signal::KILL))?;
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
        // Without a parent, a session or an environment that would tell where it comes from.
        let hide =
            Command::new("env").args(["-i", "setsid", "--fork", "sleep", "300"]).status().unwrap();
        assert!(hide.success());
        let error = nothing_left().unwrap_err().to_string();
        assert!(error.contains("sleep 300"), "{error}");
        nothing_left().unwrap();
    }
}
