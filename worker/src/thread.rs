//! A thread for an executor, with a runtime for nothing but its own connection.
//!
//! A calculation blocks its thread. In a thread pool, jobs and results would change threads, and
//! each change waits for the scheduler while all cores are busy: with two workers on two cores, it
//! left a tenth of the processor idle.

use std::future::Future;
use std::io;
use std::thread::Builder;

use rustix::process::nice;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Added to the thread's nice value, so that others, above all Redis, run first. Measured with two
/// workers on two cores: with less, Redis waits for calculations; with more, two executors gather
/// on one core and the other idles.
const NICE_INCREMENT: i32 = 6;

/// Runs `task` on a new thread, until it ends or `abandoned` is cancelled; then the thread finishes
/// its calculation for nothing.
pub(crate) async fn run<F: Future<Output = ()>>(
    name: &str,
    abandoned: CancellationToken,
    task: impl FnOnce() -> F + Send + 'static,
) -> io::Result<()> {
    let (ended, end) = oneshot::channel();
    let token = abandoned.clone();
    Builder::new().name(name.to_owned()).spawn(move || {
        // On Linux, for this thread and those that it starts. Refused only where it would be
        // raised.
        let _ = nice(NICE_INCREMENT);
        let run = |runtime: Runtime| {
            runtime.block_on(token.run_until_cancelled(task()));
            runtime.shutdown_background();
        };
        let _ = ended.send(runtime::Builder::new_current_thread().enable_all().build().map(run));
    })?;
    let panicked = |_| Err(io::Error::other("the thread panicked"));
    abandoned.run_until_cancelled(end).await.map_or(Ok(()), |ended| ended.unwrap_or_else(panicked))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_task_runs_on_a_thread_of_its_own_and_has_timers() {
        let (sender, ran) = oneshot::channel();
        let task = async || {
            tokio::time::timeout(Duration::from_secs(10), async {}).await.unwrap();
            let _ = sender.send(std::thread::current().name().map(str::to_owned));
        };
        run("apart", CancellationToken::new(), task).await.unwrap();
        assert_eq!(ran.await.unwrap().as_deref(), Some("apart"));
    }

    #[tokio::test]
    async fn an_abandoned_thread_is_not_waited_for() {
        let (abandoned, (busy, calculation)) = (CancellationToken::new(), mpsc::channel::<()>());
        let token = abandoned.clone();
        let task = async move || {
            token.cancel();
            let _ = calculation.recv();
        };
        tokio::time::timeout(Duration::from_secs(10), run("busy", abandoned, task))
            .await
            .unwrap()
            .unwrap();
        drop(busy);
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_an_error() {
        assert!(
            run("unlucky", CancellationToken::new(), async || panic!("on purpose")).await.is_err()
        );
    }
}
