//! The tasks of a process, and its shutdown.
//!
//! SIGTERM or SIGINT cancels the token of all tasks; those that still run after [`SHUTDOWN_GRACE`]
//! are aborted, and a second signal aborts them at once. A task that ends by itself or panics ends
//! the process with exit code 1: a service of which half is dead must not look alive. A check that
//! fails ends it with the exit code of a wrong configuration.
//!
//! Not `tokio-graceful-shutdown`, for which a task that returns early is no failure.

use std::convert::Infallible;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::report_misconfiguration;

/// How long tasks may take to end; the process has 5 s in all.
pub const SHUTDOWN_GRACE: Duration = Duration::from_millis(4_500);

type Outcome = (&'static str, Result<(), String>);

/// The tasks of a process and the token that ends them.
#[derive(Default)]
pub struct Lifecycle {
    token: CancellationToken,
    tasks: JoinSet<Outcome>,
    checks: JoinSet<Result<(), String>>,
}

impl Lifecycle {
    /// The shutdown signal. A task ends soon after it is cancelled.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Adds a task that runs until the token is cancelled.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.try_spawn(name, task.map(Ok::<_, Infallible>));
    }

    /// As [`Self::spawn`], for a task that can fail.
    pub fn try_spawn<E: Display>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.tasks.spawn(task.map(move |ended| (name, ended.map_err(|error| error.to_string()))));
    }

    /// Adds a check of the configuration that depends on a peer, so it runs beside the tasks. If it
    /// fails, the process ends with exit code 2; the error is one line that says what to change.
    pub fn check<E: Display>(
        &mut self,
        check: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.checks.spawn(check.map(|checked| checked.map_err(|error| error.to_string())));
    }

    /// Runs until a signal arrives, the token is cancelled, a task dies or a check fails, then
    /// shuts down. Exit code 1 if a task died or was aborted, or signals cannot be received; 2 if a
    /// check failed; otherwise 0.
    pub async fn run(self) -> ExitCode {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => {
                self.run_until(Signals { terminate, interrupt }).await
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "cannot receive signals");
                ExitCode::FAILURE
            }
        }
    }

    async fn run_until(mut self, mut signals: Signals) -> ExitCode {
        let mut died = false;
        let mut misconfigured = None;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "shutting down"),
            Some(ended) = self.tasks.join_next() => {
                // A task may notice the cancelled token before this one does.
                died = !report(ended, self.token.is_cancelled());
            }
            what = failed(&mut self.checks) => misconfigured = Some(report_misconfiguration(&what)),
            () = self.token.cancelled() => {}
        }
        self.token.cancel();

        let drained = tokio::select! {
            clean = drain(&mut self.tasks) => clean,
            () = tokio::time::sleep(SHUTDOWN_GRACE) => {
                tracing::error!("tasks did not end in time");
                false
            }
            name = signals.next() => {
                tracing::warn!(signal = name, "aborting");
                false
            }
        };
        tracing::info!("stopped");
        match misconfigured {
            Some(code) => code,
            None if died || !drained => ExitCode::FAILURE,
            None => ExitCode::SUCCESS,
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Waits for a check to fail, for ever if none does.
async fn failed(checks: &mut JoinSet<Result<(), String>>) -> String {
    while let Some(checked) = checks.join_next().await {
        if let Ok(Err(what)) = checked {
            return what;
        }
    }
    std::future::pending().await
}

/// Waits for all tasks. Returns whether none failed.
async fn drain(tasks: &mut JoinSet<Outcome>) -> bool {
    let mut clean = true;
    while let Some(ended) = tasks.join_next().await {
        clean &= report(ended, true);
    }
    clean
}

/// Logs a task's failure. Returns whether there was none.
fn report(ended: Result<Outcome, tokio::task::JoinError>, stopping: bool) -> bool {
    match ended {
        Ok((_, Ok(()))) if stopping => return true,
        Ok((task, Ok(()))) => tracing::error!(task, "task ended by itself"),
        Ok((task, Err(error))) => tracing::error!(task, error, "task failed"),
        Err(panic) => tracing::error!(%panic, "task panicked"),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the tasks that `spawn` adds. An exit code has no `PartialEq`, hence its text.
    async fn assert_exits(code: ExitCode, spawn: impl FnOnce(&mut Lifecycle)) {
        let mut lifecycle = Lifecycle::default();
        spawn(&mut lifecycle);
        assert_eq!(format!("{:?}", lifecycle.run().await), format!("{code:?}"));
    }

    #[tokio::test]
    async fn a_task_that_fails_takes_the_process_down_with_an_error() {
        assert_exits(ExitCode::FAILURE, |lifecycle| {
            lifecycle.spawn("waiting", lifecycle.token().cancelled_owned());
            lifecycle.try_spawn("failing", async { Err("no") });
        })
        .await;
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_the_process_down_with_an_error() {
        let panic = |lifecycle: &mut Lifecycle| {
            lifecycle.spawn("panicking", async { panic!("on purpose") })
        };
        assert_exits(ExitCode::FAILURE, panic).await;
    }

    #[tokio::test]
    async fn a_check_that_fails_ends_the_process_as_a_wrong_configuration() {
        assert_exits(ExitCode::from(2), |lifecycle| {
            lifecycle.spawn("waiting", lifecycle.token().cancelled_owned());
            lifecycle.check(async { Ok::<_, &str>(()) });
            lifecycle.check(async { Err("it does not suit") });
        })
        .await;
    }

    #[tokio::test]
    async fn tasks_that_end_at_the_shutdown_signal_are_a_success() {
        assert_exits(ExitCode::SUCCESS, |lifecycle| {
            lifecycle.spawn("waiting", lifecycle.token().cancelled_owned());
            lifecycle.token().cancel();
        })
        .await;
    }
}
