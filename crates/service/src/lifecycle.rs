//! The tasks of a process, and its shutdown.
//!
//! SIGTERM or SIGINT cancels the token of all tasks. Tasks that still run after [`SHUTDOWN_GRACE`]
//! are aborted; a second signal aborts them at once. A task that ends before the shutdown, or
//! panics, ends the process with exit code 1, because a service without one of its tasks must not
//! look healthy. A check that fails ends the process with the exit code of a wrong configuration.
//!
//! The crate `tokio-graceful-shutdown` does not fit: it accepts a task that returns early.

use std::convert::Infallible;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::report_misconfiguration;

/// Time for the tasks to end after the shutdown signal. The whole process has 5 s.
pub const SHUTDOWN_GRACE: Duration = Duration::from_millis(4_500);

/// A task's name and result.
type TaskResult = (&'static str, Result<(), String>);

/// The tasks of a process, and the token that tells them to end.
#[derive(Default)]
pub struct Lifecycle {
    token: CancellationToken,
    tasks: JoinSet<TaskResult>,
    checks: JoinSet<Result<(), String>>,
}

impl Lifecycle {
    /// Cancelled when the shutdown begins. Tasks must then end soon.
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

    /// Adds a check of the configuration that needs a peer, and therefore runs concurrently with
    /// the tasks. If it fails, the process ends with exit code 2. The error is one line that says
    /// what to change.
    pub fn check<E: Display>(
        &mut self,
        check: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.checks.spawn(check.map(|checked| checked.map_err(|error| error.to_string())));
    }

    /// Runs until a signal arrives, the token is cancelled, a task ends or a check fails, then
    /// shuts down. Returns exit code 1 if a task failed or was aborted, or if signals cannot be
    /// received; 2 if a check failed; otherwise 0.
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
        let mut task_failed = false;
        let mut misconfigured = None;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "shutting down"),
            Some(ended) = self.tasks.join_next() => {
                // The task may have noticed the cancelled token before this select does.
                task_failed = !succeeded(ended, self.token.is_cancelled());
            }
            problem = first_failure(&mut self.checks) => {
                misconfigured = Some(report_misconfiguration(&problem));
            }
            () = self.token.cancelled() => {}
        }
        self.token.cancel();

        let drained = tokio::select! {
            all_succeeded = drain(&mut self.tasks) => all_succeeded,
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
            None if task_failed || !drained => ExitCode::FAILURE,
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

/// Waits until a check fails, forever if none does.
async fn first_failure(checks: &mut JoinSet<Result<(), String>>) -> String {
    while let Some(checked) = checks.join_next().await {
        if let Ok(Err(problem)) = checked {
            return problem;
        }
    }
    std::future::pending().await
}

/// Waits for all tasks. Returns whether all succeeded.
async fn drain(tasks: &mut JoinSet<TaskResult>) -> bool {
    let mut all_succeeded = true;
    while let Some(ended) = tasks.join_next().await {
        all_succeeded &= succeeded(ended, true);
    }
    all_succeeded
}

/// Whether a task succeeded. Logs its failure.
fn succeeded(ended: Result<TaskResult, tokio::task::JoinError>, shutting_down: bool) -> bool {
    match ended {
        Ok((_, Ok(()))) if shutting_down => return true,
        Ok((task, Ok(()))) => tracing::error!(task, "task ended before the shutdown"),
        Ok((task, Err(error))) => tracing::error!(task, error, "task failed"),
        Err(panic) => tracing::error!(%panic, "task panicked"),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the tasks that `spawn` adds. `ExitCode` has no `PartialEq`, so this compares its text.
    async fn assert_exits(code: ExitCode, spawn: impl FnOnce(&mut Lifecycle)) {
        let mut lifecycle = Lifecycle::default();
        spawn(&mut lifecycle);
        assert_eq!(format!("{:?}", lifecycle.run().await), format!("{code:?}"));
    }

    #[tokio::test]
    async fn a_task_that_fails_ends_the_process_with_exit_code_1() {
        assert_exits(ExitCode::FAILURE, |lifecycle| {
            lifecycle.spawn("waiting", lifecycle.token().cancelled_owned());
            lifecycle.try_spawn("failing", async { Err("no") });
        })
        .await;
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process_with_exit_code_1() {
        let panic = |lifecycle: &mut Lifecycle| {
            lifecycle.spawn("panicking", async { panic!("on purpose") })
        };
        assert_exits(ExitCode::FAILURE, panic).await;
    }

    #[tokio::test]
    async fn a_check_that_fails_ends_the_process_with_exit_code_2() {
        assert_exits(ExitCode::from(2), |lifecycle| {
            lifecycle.spawn("waiting", lifecycle.token().cancelled_owned());
            lifecycle.check(async { Ok::<_, &str>(()) });
            lifecycle.check(async { Err("not supported") });
        })
        .await;
    }

    #[tokio::test]
    async fn tasks_that_end_at_the_shutdown_signal_give_exit_code_0() {
        assert_exits(ExitCode::SUCCESS, |lifecycle| {
            lifecycle.spawn("waiting", lifecycle.token().cancelled_owned());
            lifecycle.token().cancel();
        })
        .await;
    }
}
