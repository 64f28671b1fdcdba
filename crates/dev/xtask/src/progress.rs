//! Runs long steps and displays their progress: on a terminal, a spinner with the elapsed time and
//! the last line of output; elsewhere, a line at the start and one at the end. The output of a
//! step's commands goes to a log file. If a command fails, its last lines are shown.

use std::fs::{self, File};
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use stack::{Builder, Output, Process, lock};

use crate::terminal::{check_interrupt, eprintln};
use crate::workspace::CargoWorkspace;

const INTERRUPT_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Characters of output beside a spinner, so that its line fits into most terminals.
const MAX_MESSAGE_CHARS: usize = 60;

pub(crate) struct Steps {
    bars: Option<MultiProgress>,
    logs: PathBuf,
    cancelled: AtomicBool,
}

/// The error of a step that was stopped because another step failed.
#[derive(Debug, thiserror::Error)]
#[error("stopped, because another step failed")]
pub(crate) struct Cancelled;

pub(crate) struct Step<'a> {
    title: &'a str,
    bar: Option<ProgressBar>,
    log: PathBuf,
    cancelled: &'a AtomicBool,
}

impl Steps {
    pub(crate) fn new(workspace: &CargoWorkspace) -> Self {
        let bars = stderr().is_terminal().then(MultiProgress::new);
        Self { bars, logs: workspace.logs(), cancelled: AtomicBool::new(false) }
    }

    /// Stops the commands of all running steps, which then fail with [`Cancelled`].
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    /// Runs one step. Several threads may run steps at the same time.
    pub(crate) fn run<T>(&self, title: &str, work: impl FnOnce(&Step) -> Result<T>) -> Result<T> {
        check_interrupt()?;
        fs::create_dir_all(&self.logs).context("creating the folder of the logs")?;
        let name = title.replace(|c: char| !c.is_alphanumeric(), "-");
        let log = self.logs.join(format!("{name}.log"));
        fs::write(&log, "").with_context(|| format!("creating {}", log.display()))?;

        let bar = self.bars.as_ref().map(|bars| bars.add(spinner(title)));
        if bar.is_none() {
            eprintln!("· {title} …");
        }
        let step = Step { title, bar, log, cancelled: &self.cancelled };
        let start = Instant::now();
        let outcome = work(&step);
        step.finish(outcome.is_ok(), start.elapsed());
        outcome.with_context(|| format!("{title} failed"))
    }
}

impl Step<'_> {
    /// Runs a command and returns its output. Ctrl-C or [`Steps::cancel`] stops it.
    pub(crate) fn command(&self, builder: Builder) -> Result<String> {
        self.run(builder, || match self.cancelled.load(Ordering::SeqCst) {
            true => Err(Cancelled.into()),
            false => check_interrupt(),
        })
    }

    /// Like [`Step::command`], but Ctrl-C and [`Steps::cancel`] do not stop it.
    pub(crate) fn uninterrupted_command(&self, builder: Builder) -> Result<String> {
        let output = self.run(builder, || Ok(()))?;
        check_interrupt()?;
        Ok(output)
    }

    fn run(&self, builder: Builder, check: impl Fn() -> Result<()>) -> Result<String> {
        check()?;
        let mut log = File::options().append(true).open(&self.log)?;
        writeln!(log, "$ {builder}")?;
        let command = builder.to_string();
        let mut process = builder.output(self.output(log)).spawn()?;
        let status = wait_for(&mut process, check)?;
        if !status.success() {
            bail!(
                "`{command}` failed ({status}):\n{}\n(all of it: {})",
                process.tail(),
                self.log.display()
            );
        }
        Ok(process.log())
    }

    pub(crate) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("· {}: {text}", self.title),
        }
    }

    fn output(&self, log: File) -> Output {
        let (log, bar) = (Mutex::new(log), self.bar.clone());
        Output::lines(move |line| {
            // Ignores errors: a full disk is for the build to report.
            let _ = writeln!(lock(&log), "{line}");
            if let Some(bar) = &bar {
                bar.set_message(line.trim().chars().take(MAX_MESSAGE_CHARS).collect::<String>());
            }
        })
    }

    fn finish(&self, is_ok: bool, elapsed: Duration) {
        let mark = if is_ok { "✓" } else { "✗" };
        let line = format!("{mark} {} ({:.1} s)", self.title, elapsed.as_secs_f64());
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                bar.finish_and_clear();
            }
            None => eprintln!("{line}"),
        }
    }
}

/// Waits for a process to end. As soon as `check` fails, stops the process and returns that error.
pub(crate) fn wait_for(
    process: &mut Process,
    check: impl Fn() -> Result<()>,
) -> Result<ExitStatus> {
    loop {
        if let Some(status) = process.wait(INTERRUPT_CHECK_INTERVAL)? {
            return Ok(status);
        }
        if let Err(error) = check() {
            process.stop()?;
            return Err(error);
        }
    }
}

fn spinner(title: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:.dim}  {msg:.dim}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
