//! Threads for what calculates, each with a runtime for nothing but its own connection.
//!
//! A calculation keeps its thread busy for as long as it takes. In a pool it would have to be handed over, and its result
//! handed back, and where all cores are busy each of that waits for the scheduler: two workers on two cores left a tenth of
//! them idle. So jobs are taken, calculated and stored on one thread. Nothing that others wait for runs on it, so it gives
//! way to them: to Redis above all, which has a little to do for each job.

use std::future::Future;
use std::io;
use std::thread::Builder;

use rustix::process::nice;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What is added to a thread's nice value, a quarter of the share of others then. Of two workers on two cores, it left least of
/// them idle: with less, Redis stood behind a calculation; with more, two lanes gathered on one core.
const NICE: i32 = 6;

/// Runs `task` on a thread of its own until its end, or until `left` is cancelled: then the thread is left to what it
/// calculates, and nothing comes of it.
///
/// # Errors
/// When the thread cannot be started, or panics.
pub(crate) async fn run<F: Future<Output = ()>>(
    name: &str,
    left: CancellationToken,
    task: impl FnOnce() -> F + Send + 'static,
) -> io::Result<()> {
    let (ended, end) = oneshot::channel();
    let token = left.clone();
    Builder::new().name(name.to_owned()).spawn(move || {
        // On Linux it is for this thread alone, and for those that it starts. Where it is refused, all goes on as before.
        let _ = nice(NICE);
        let run = |runtime: Runtime| {
            runtime.block_on(token.run_until_cancelled(task()));
            runtime.shutdown_background();
        };
        let _ = ended.send(runtime::Builder::new_current_thread().enable_all().build().map(run));
    })?;
    let panicked = |_| Err(io::Error::other("the thread panicked"));
    left.run_until_cancelled(end).await.map_or(Ok(()), |ended| ended.unwrap_or_else(panicked))
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
    async fn nobody_waits_for_a_thread_that_was_left() {
        let (left, (busy, calculation)) = (CancellationToken::new(), mpsc::channel::<()>());
        let token = left.clone();
        let task = async move || {
            token.cancel();
            let _ = calculation.recv();
        };
        tokio::time::timeout(Duration::from_secs(10), run("busy", left, task)).await.unwrap().unwrap();
        drop(busy);
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_an_error() {
        assert!(run("unlucky", CancellationToken::new(), async || panic!("as tests do")).await.is_err());
    }
}
