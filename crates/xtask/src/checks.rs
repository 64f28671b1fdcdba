//! `cargo xtask test`: everything that checks this workspace, one step after the other, each with its time. A
//! failing step does not keep the later ones from running; at the end nothing that was started may be left.

use std::{
    fs,
    io::{Write, stdout},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use stack::{Builder, Output, descendants, find_program, wait_until};

use crate::{
    artifacts::{self, Profile},
    interrupt, packages,
    progress::Steps,
    queries, tools,
    workspace::Workspace,
};

/// What a process that was told to end may take.
const AFTERMATH: Duration = Duration::from_secs(5);

/// The browser starts slowly on a busy machine; wasm-bindgen's own bound is 20 s.
const BROWSER_SECONDS: &str = "120";

/// A finished step: its title, how long it took, whether it passed.
type Row = (&'static str, Duration, bool);

/// Passed and failed tests.
type Counts = Arc<Mutex<(usize, usize)>>;

/// Sets up what is missing and runs everything, or only the tests whose names contain `filter`.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let steps = Steps::new(workspace);
    packages::ensure(&steps, packages::UP)?;
    packages::ensure(&steps, packages::BROWSER)?;
    let tools = steps.run("tools for the page", |step| tools::ensure(step, workspace))?;

    let mut rows: Vec<Row> = Vec::new();
    let mut check = |title: &'static str, work: &mut dyn FnMut() -> Result<()>| {
        if interrupt::requested() {
            return;
        }
        let start = Instant::now();
        let outcome = work();
        if let Err(e) = &outcome {
            eprintln!("{}", crate::explain(e));
        }
        rows.push((title, start.elapsed(), outcome.is_ok()));
    };
    let mut command = |title: &'static str, builder: Builder| {
        check(title, &mut || steps.run(title, |step| step.command(builder.clone()).map(drop)));
    };

    let wasm = ["--target", "wasm32-unknown-unknown"];
    if filter.is_none() {
        let deny = ["--all-targets", "--", "-D", "warnings"];
        command("format", workspace.cargo(&["fmt", "--all", "--check"]));
        command("lints", workspace.cargo(&["clippy", "--workspace"]).args(deny));
        command("lints of the page", workspace.cargo(&["clippy", "-p", "client"]).args(wasm).args(deny));
        check("types of the SQL", &mut || {
            steps.run("types of the SQL", |step| queries::run(step, workspace, true))
        });
    }
    check("server and worker", &mut || {
        steps.run("server and worker", |step| artifacts::binaries(step, workspace, Profile::Debug).map(drop))
    });
    check("the page", &mut || steps.run("the page", |step| artifacts::page(step, workspace, &tools)));

    let counts = Counts::default();
    // What loses its parent becomes our child, wherever it was started: nothing gets out of sight.
    set_child_subreaper(Some(getpid())).context("watching over what the tests start")?;
    let test = |builder: Builder| builder.args(filter);
    check("tests", &mut || {
        stream(test(workspace.cargo(&["test", "--workspace", "--no-fail-fast"])), &counts)
    });
    check("tests of the page in a browser", &mut || {
        let driver = find_program("chromedriver").unwrap_or_default();
        let builder = workspace.cargo(&["test", "-p", "client"]).args(wasm).env("PATH", tools.path()?);
        let builder = builder.env("CHROMEDRIVER", driver).env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_SECONDS);
        stream(test(builder), &counts)
    });
    check("nothing is left running", &mut || nothing_left());
    interrupt::check()?;
    summarize(&rows, &counts)
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
        if let Some(status) = process.wait(Duration::from_millis(200))? {
            break status;
        }
        interrupt::check()?;
    };
    if !status.success() {
        bail!("tests failed ({status})");
    }
    Ok(())
}

/// Reads `test result: ok. 18 passed; 0 failed; …`.
fn tests_in(line: &str) -> Option<(usize, usize)> {
    let (_, numbers) = line.split_once("test result: ")?.1.split_once(". ")?;
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

fn summarize(rows: &[Row], counts: &Counts) -> Result<()> {
    println!();
    for (title, took, passed) in rows {
        println!("  {} {title:<32} {:>7.1} s", if *passed { "✓" } else { "✗" }, took.as_secs_f64());
    }
    let (passed, failed) = counts.lock().map_or((0, 0), |sum| *sum);
    println!("\n{passed} tests passed, {failed} failed");
    let bad: Vec<&str> = rows.iter().filter(|(.., passed)| !passed).map(|(title, ..)| *title).collect();
    if !bad.is_empty() {
        bail!("not passed: {}", bad.join(", "));
    }
    Ok(())
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
