//! Runs an executor on a thread of its own, with a tokio runtime of its own.
//!
//! A calculation blocks its thread. With a thread pool, jobs and results would pass between
//! threads, and each time wait for the operating system's scheduler while all cores are busy. With
//! two workers on two cores, this left a tenth of the processor time unused.

use std::future::Future;
use std::io;
use std::thread::Builder;

use rustix::process::nice;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Added to the thread's nice value, so that other processes, above all Redis, run first. Measured
/// with two workers on two cores: with less, Redis waits for calculations; with more, two executors
/// share one core while the other is idle.
const NICE_INCREMENT: i32 = 6;

/// Runs `task` on a new thread. Returns when the task has ended or `abort` is cancelled. A
/// calculation cannot be interrupted: the thread of an aborted task ends after it.
pub(crate) async fn run<F: Future<Output = ()>>(
    name: &str,
    abort: CancellationToken,
    task: impl FnOnce() -> F + Send + 'static,
) -> io::Result<()> {
    let (ended, end) = oneshot::channel();
    let token = abort.clone();
    Builder::new().name(name.to_owned()).spawn(move || {
        // On Linux, the nice value belongs to a thread, and the threads that it starts inherit it.
        // An increase is never refused.
        let _ = nice(NICE_INCREMENT);
        let run = |runtime: Runtime| {
            runtime.block_on(token.run_until_cancelled(task()));
            runtime.shutdown_background();
        };
        let _ = ended.send(runtime::Builder::new_current_thread().enable_all().build().map(run));
    })?;
    let panicked = |_| Err(io::Error::other("the thread panicked"));
    abort.run_until_cancelled(end).await.map_or(Ok(()), |ended| ended.unwrap_or_else(panicked))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_task_runs_on_a_named_thread_and_can_use_timers() {
        let (sender, ran) = oneshot::channel();
        let task = async || {
            tokio::time::timeout(Duration::from_secs(10), async {}).await.unwrap();
            let _ = sender.send(std::thread::current().name().map(str::to_owned));
        };
        run("named", CancellationToken::new(), task).await.unwrap();
        assert_eq!(ran.await.unwrap().as_deref(), Some("named"));
    }

    #[tokio::test]
    async fn an_aborted_task_is_not_waited_for() {
        let (abort, (end_calculation, calculation)) =
            (CancellationToken::new(), mpsc::channel::<()>());
        let token = abort.clone();
        let task = async move || {
            token.cancel();
            let _ = calculation.recv();
        };
        tokio::time::timeout(Duration::from_secs(10), run("busy", abort, task))
            .await
            .unwrap()
            .unwrap();
        drop(end_calculation);
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_an_error() {
        assert!(
            run("panicking", CancellationToken::new(), async || panic!("on purpose"))
                .await
                .is_err()
        );
    }
}
