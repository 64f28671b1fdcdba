//! The life of a process: tasks that run until it is told to stop, and how it ends.
//!
//! SIGTERM or SIGINT asks every task to end; whoever is not done after [`GRACE`] is cut off; a second signal
//! cuts off at once. A task that ends by itself, or panics, takes the process down with exit code 1: a service
//! whose half is dead must not look alive.

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long tasks may take to end. A process has 5 s in all.
pub const GRACE: Duration = Duration::from_millis(4_500);

type Outcome = (&'static str, Result<(), String>);

/// How a task may end: with nothing to say, or with an error.
pub trait Ending {
    /// The ending, its error in words.
    fn in_words(self) -> Result<(), String>;
}

impl Ending for () {
    fn in_words(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Ending for Result<(), E> {
    fn in_words(self) -> Result<(), String> {
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

    /// Cancelled when the process is told to stop. Every task ends soon after.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Adds a task that runs until the token is cancelled.
    pub fn spawn<E: Ending>(&mut self, name: &'static str, task: impl Future<Output = E> + Send + 'static) {
        self.tasks.spawn(async move { (name, task.await.in_words()) });
    }

    /// Runs until a signal arrives or a task dies, then ends the others.
    /// Exit code 0 after a signal, 1 when a task died or had to be cut off.
    pub async fn run(self) -> ExitCode {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => self.run_until(Signals { terminate, interrupt }).await,
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be received");
                ExitCode::FAILURE
            }
        }
    }

    async fn run_until(mut self, mut signals: Signals) -> ExitCode {
        let mut died = false;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "stopping"),
            Some(ended) = self.tasks.join_next() => {
                // Whoever cancelled the token may have been seen by a task before it was seen here.
                died = !report(ended, self.token.is_cancelled());
            }
            () = self.token.cancelled() => {}
        }
        self.token.cancel();

        let drained = tokio::select! {
            clean = drain(&mut self.tasks) => clean,
            () = tokio::time::sleep(GRACE) => {
                tracing::error!("tasks did not end in time");
                false
            }
            name = signals.next() => {
                tracing::warn!(signal = name, "stopping at once");
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

/// Waits for all tasks; whether all of them ended well.
async fn drain(tasks: &mut JoinSet<Outcome>) -> bool {
    let mut clean = true;
    while let Some(ended) = tasks.join_next().await {
        clean &= report(ended, true);
    }
    clean
}

/// Logs how a task ended; whether that was well.
fn report(ended: Result<Outcome, tokio::task::JoinError>, stopping: bool) -> bool {
    match ended {
        Ok((_, Ok(()))) if stopping => true,
        Ok((task, Ok(()))) => {
            tracing::error!(task, "a task ended by itself");
            false
        }
        Ok((task, Err(error))) => {
            tracing::error!(task, error, "a task failed");
            false
        }
        Err(panic) => {
            tracing::error!(%panic, "a task panicked");
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
        lifecycle.spawn("obedient", token.cancelled_owned());
        lifecycle.spawn("failing", async { Err("no") });
        assert_eq!(run(lifecycle).await, format!("{:?}", ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_the_process_down_with_an_error() {
        let mut lifecycle = Lifecycle::new();
        lifecycle.spawn::<()>("panicking", async { panic!("as tests do") });
        assert_eq!(run(lifecycle).await, format!("{:?}", ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn tasks_that_end_when_they_are_told_to_end_the_process_well() {
        let mut lifecycle = Lifecycle::new();
        let token = lifecycle.token();
        lifecycle.spawn("obedient", token.clone().cancelled_owned());
        token.cancel();
        assert_eq!(run(lifecycle).await, format!("{:?}", ExitCode::SUCCESS));
    }
}
