//! Long steps, shown: a spinner with the elapsed time and the last line of output on a terminal, plain lines at
//! start and end elsewhere. Everything a step's commands write goes to a log file, whose end is shown when the
//! step fails. A step stops its command when the person presses Ctrl-C.

use std::{
    fs,
    io::{IsTerminal, stderr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use stack::{Builder, Output};

use crate::{interrupt, workspace::Workspace};

/// Time between two looks at a running command: it is built for minutes.
const POLL: Duration = Duration::from_millis(25);

/// Characters of output beside a spinner: more would wrap on a usual terminal.
const MESSAGE: usize = 60;

/// All steps of one command.
pub(crate) struct Steps {
    bars: Option<MultiProgress>,
    logs: PathBuf,
    cancelled: Arc<AtomicBool>,
}

/// The error of a step that did nothing wrong: another one failed.
#[derive(Debug, thiserror::Error)]
#[error("stopped, because another step failed")]
pub(crate) struct Cancelled;

/// One running step.
pub(crate) struct Step {
    title: String,
    bar: Option<ProgressBar>,
    log: PathBuf,
    cancelled: Arc<AtomicBool>,
}

impl Steps {
    /// Shows steps in the way that suits our stderr.
    pub(crate) fn new(workspace: &Workspace) -> Self {
        let bars = stderr().is_terminal().then(MultiProgress::new);
        Self { bars, logs: workspace.logs(), cancelled: Arc::default() }
    }

    /// Ends the commands of all running steps with [`Cancelled`].
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    /// Runs one step; several may run at once, from several threads.
    pub(crate) fn run<T>(&self, title: &str, work: impl FnOnce(&Step) -> Result<T>) -> Result<T> {
        interrupt::check()?;
        fs::create_dir_all(&self.logs).context("creating the folder of the logs")?;
        let words: Vec<&str> =
            title.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let log = self.logs.join(format!("{}.log", words.join("-")));
        fs::write(&log, "").with_context(|| format!("creating {}", log.display()))?;

        let bar = self.bars.as_ref().map(|bars| bars.add(spinner(title)));
        if bar.is_none() {
            eprintln!("· {title} …");
        }
        let step = Step { title: title.to_owned(), bar, log, cancelled: Arc::clone(&self.cancelled) };
        let start = Instant::now();
        let outcome = work(&step);
        step.finish(outcome.is_ok(), start.elapsed());
        outcome.with_context(|| format!("{title} failed"))
    }
}

impl Step {
    /// Runs a command to its end; what it wrote is returned.
    pub(crate) fn command(&self, builder: Builder) -> Result<String> {
        self.run(builder, true)
    }

    /// As [`Step::command`], but Ctrl-C waits for it: half of its work would be worse than none.
    pub(crate) fn command_in_one_piece(&self, builder: Builder) -> Result<String> {
        let said = self.run(builder, false)?;
        interrupt::check()?;
        Ok(said)
    }

    fn run(&self, builder: Builder, may_be_stopped: bool) -> Result<String> {
        interrupt::check()?;
        let file = format!("$ {builder}\n");
        fs::OpenOptions::new().append(true).open(&self.log).and_then(|mut log| {
            use std::io::Write;
            log.write_all(file.as_bytes())
        })?;
        let shown = builder.to_string();
        let mut process = builder.output(self.output()?).spawn()?;
        let status = loop {
            if let Some(status) = process.try_wait()? {
                break status;
            }
            if may_be_stopped && interrupt::requested() {
                process.stop()?;
                bail!("interrupted");
            }
            if may_be_stopped && self.cancelled.load(Ordering::SeqCst) {
                process.stop()?;
                return Err(Cancelled.into());
            }
            thread::sleep(POLL);
        };
        if !status.success() {
            bail!("`{shown}` failed ({status}):\n{}\n(all of it: {})", process.tail(), self.log.display());
        }
        Ok(process.log())
    }

    /// Says what the step is at.
    pub(crate) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("· {}: {text}", self.title),
        }
    }

    fn output(&self) -> Result<Output> {
        use std::{fs::OpenOptions, io::Write, sync::Mutex};
        let file = Mutex::new(OpenOptions::new().append(true).open(&self.log)?);
        let bar = self.bar.clone();
        Ok(Output::lines(move |line| {
            if let Ok(mut file) = file.lock() {
                // A full disk must not end a build before it notices by itself.
                let _ = writeln!(file, "{line}");
            }
            if let Some(bar) = &bar {
                bar.set_message(line.trim().chars().take(MESSAGE).collect::<String>());
            }
        }))
    }

    fn finish(&self, is_ok: bool, took: Duration) {
        let mark = if is_ok { "✓" } else { "✗" };
        let line = format!("{mark} {} ({:.1} s)", self.title, took.as_secs_f64());
        match &self.bar {
            Some(bar) => {
                bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| spinner_style()));
                bar.finish_with_message(line);
            }
            None => eprintln!("{line}"),
        }
    }
}

fn spinner(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(spinner_style()).with_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn spinner_style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:.dim}  {msg:.dim}");
    style.unwrap_or_else(|_| ProgressStyle::default_spinner())
}
