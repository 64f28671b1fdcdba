//! The tasks of a process, and its shutdown.
//!
//! SIGTERM or SIGINT cancels the token of all tasks; those that still run after [`SHUTDOWN_GRACE`]
//! are aborted, and a second signal aborts them at once. A task that ends by itself or panics ends
//! the process with exit code 1: a service of which half is dead must not look alive.
//!
//! By hand, because for the crate `tokio-graceful-shutdown` a task that returns early is no
//! failure.

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long tasks may take to end; the process has 5 s in all.
pub const SHUTDOWN_GRACE: Duration = Duration::from_millis(4_500);

type Outcome = (&'static str, Result<(), String>);

/// The output of a task: `()` or a `Result`.
pub trait TaskOutput {
    /// The error as text.
    fn into_result(self) -> Result<(), String>;
}

impl TaskOutput for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> TaskOutput for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// The tasks of a process and the token that ends them.
#[derive(Default)]
pub struct Lifecycle {
    token: CancellationToken,
    tasks: JoinSet<Outcome>,
}

impl Lifecycle {
    /// No tasks yet, not stopping.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The shutdown signal. A task ends soon after it is cancelled.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Adds a task that runs until the token is cancelled.
    pub fn spawn<T: TaskOutput>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, task.await.into_result()) });
    }

    /// Runs until a signal arrives, the token is cancelled or a task dies, then shuts down. Exit
    /// code 1 if a task died or was aborted, or signals cannot be received; otherwise 0.
    pub async fn run(self) -> ExitCode {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => self.run_until(Signals { terminate, interrupt }).await,
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "cannot receive signals");
                ExitCode::FAILURE
            }
        }
    }

    async fn run_until(mut self, mut signals: Signals) -> ExitCode {
        let mut died = false;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "shutting down"),
            Some(ended) = self.tasks.join_next() => {
                // A task may notice the cancelled token before this one does.
                died = !report(ended, self.token.is_cancelled());
            }
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
        if died || !drained { ExitCode::FAILURE } else { ExitCode::SUCCESS }
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
        Ok((_, Ok(()))) if stopping => true,
        Ok((task, Ok(()))) => {
            tracing::error!(task, "task ended by itself");
            false
        }
        Ok((task, Err(error))) => {
            tracing::error!(task, error, "task failed");
            false
        }
        Err(panic) => {
            tracing::error!(%panic, "task panicked");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(lifecycle: Lifecycle) -> String {
        format!("{:?}", lifecycle.run().await)
    }

    #[tokio::test]
    async fn a_task_that_fails_takes_the_process_down_with_an_error() {
        let mut lifecycle = Lifecycle::new();
        let token = lifecycle.token();
        lifecycle.spawn("waiting", token.cancelled_owned());
        lifecycle.spawn("failing", async { Err("no") });
        assert_eq!(run(lifecycle).await, format!("{:?}", ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_the_process_down_with_an_error() {
        let mut lifecycle = Lifecycle::new();
        lifecycle.spawn::<()>("panicking", async { panic!("on purpose") });
        assert_eq!(run(lifecycle).await, format!("{:?}", ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn tasks_that_end_at_the_shutdown_signal_are_a_success() {
        let mut lifecycle = Lifecycle::new();
        let token = lifecycle.token();
        lifecycle.spawn("waiting", token.clone().cancelled_owned());
        token.cancel();
        assert_eq!(run(lifecycle).await, format!("{:?}", ExitCode::SUCCESS));
    }
}
