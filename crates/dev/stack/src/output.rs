//! Where a child's output goes. Its last lines are kept, for error messages and for tests; each
//! line can go to a handler as well (a prefixed terminal, a file).

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes kept of each child's output. `up` runs for weeks; a test reads a few hundred lines.
const MAX_KEPT_BYTES: usize = 1 << 20;

#[derive(Clone, Default)]
pub enum Output {
    /// They are only kept.
    #[default]
    Kept,
    /// They are kept, and each goes to a handler, from one thread for stdout and one for stderr.
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
    /// To /dev/null: reading them would take time that a benchmark measures.
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

/// The kept lines of one child, shared with the threads that read its pipes.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<LogState>);

#[derive(Default)]
struct LogState {
    lines: Mutex<(VecDeque<String>, usize)>,
    open_pipes: AtomicUsize,
    closed: Condvar,
}

impl Log {
    /// Reads `pipe` to its end on a thread of its own.
    pub(crate) fn follow(&self, pipe: impl Read + Send + 'static, output: &Output) {
        let (log, output) = (self.clone(), output.clone());
        self.0.open_pipes.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                log.keep(text);
                if let Output::Lines(handler) = &output {
                    handler(text);
                }
                line.clear();
            }
            let guard = lock(&log.0.lines);
            log.0.open_pipes.fetch_sub(1, Ordering::SeqCst);
            log.0.closed.notify_all();
            drop(guard);
        });
    }

    fn keep(&self, line: &str) {
        let mut guard = lock(&self.0.lines);
        let (lines, bytes) = &mut *guard;
        *bytes += line.len();
        lines.push_back(line.to_owned());
        while *bytes > MAX_KEPT_BYTES {
            *bytes -= lines.pop_front().map_or(*bytes, |oldest| oldest.len());
        }
    }

    pub(crate) fn text(&self) -> String {
        lock(&self.0.lines).0.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    pub(crate) fn tail(&self, count: usize) -> String {
        let guard = lock(&self.0.lines);
        let lines: Vec<&str> = guard.0.iter().rev().take(count).map(String::as_str).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Waits until both pipes are closed, at most `timeout`: a grandchild may hold one open.
    pub(crate) fn wait_complete(&self, timeout: Duration) {
        let guard = lock(&self.0.lines);
        let open = |_: &mut _| self.0.open_pipes.load(Ordering::SeqCst) > 0;
        drop(self.0.closed.wait_timeout_while(guard, timeout, open));
    }
}

/// Locks a mutex whose value is valid after a panic elsewhere, as all of ours are.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
