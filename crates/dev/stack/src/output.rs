//! Captures the output of a child process. The last MiB is kept for error messages and tests. A
//! handler may also get each line, to print it or write it to a file.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes kept of each child's output: `up` may run for weeks, and tests read a few hundred lines.
const MAX_CAPTURED_BYTES: usize = 1 << 20;

/// Where the output of a child process goes.
#[derive(Clone, Default)]
pub enum Output {
    /// Captured, for [`crate::Process::log`].
    #[default]
    Captured,
    /// Captured, and each line passed to a handler, from one thread for stdout and one for stderr.
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
    /// To /dev/null: capturing would take processor time that a benchmark measures.
    Discarded,
}

impl Output {
    pub fn lines(handler: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::Lines(Arc::new(handler))
    }

    pub(crate) fn stdio(&self) -> Stdio {
        if matches!(self, Self::Discarded) { Stdio::null() } else { Stdio::piped() }
    }
}

/// The captured lines of one child, shared with the threads that read its pipes.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<LogState>);

#[derive(Default)]
struct LogState {
    captured: Mutex<CapturedLines>,
    open_pipes: AtomicUsize,
    pipe_closed: Condvar,
}

#[derive(Default)]
struct CapturedLines {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Log {
    /// Reads `pipe` to its end on a separate thread.
    pub(crate) fn follow(&self, pipe: impl Read + Send + 'static, output: &Output) {
        let (log, output) = (self.clone(), output.clone());
        self.0.open_pipes.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                log.capture(text);
                if let Output::Lines(handler) = &output {
                    handler(text);
                }
                line.clear();
            }
            let guard = lock(&log.0.captured);
            log.0.open_pipes.fetch_sub(1, Ordering::SeqCst);
            log.0.pipe_closed.notify_all();
            drop(guard);
        });
    }

    fn capture(&self, line: &str) {
        let CapturedLines { lines, bytes } = &mut *lock(&self.0.captured);
        *bytes += line.len();
        lines.push_back(line.to_owned());
        while *bytes > MAX_CAPTURED_BYTES {
            *bytes -= lines.pop_front().map_or(*bytes, |oldest| oldest.len());
        }
    }

    pub(crate) fn text(&self) -> String {
        lock(&self.0.captured).lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    pub(crate) fn tail(&self, count: usize) -> String {
        let captured = lock(&self.0.captured);
        let lines: Vec<&str> =
            captured.lines.iter().rev().take(count).map(String::as_str).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Waits up to `timeout` until both pipes are closed. A grandchild may hold one open.
    pub(crate) fn wait_complete(&self, timeout: Duration) {
        let guard = lock(&self.0.captured);
        let is_open = |_: &mut _| self.0.open_pipes.load(Ordering::SeqCst) > 0;
        drop(self.0.pipe_closed.wait_timeout_while(guard, timeout, is_open));
    }
}

/// Locks a mutex and ignores poisoning. Only for values that stay valid when a holder panics.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
