//! Where a child's output goes. Its last lines are kept, for error messages and for tests; each
//! line can go to a handler as well (a prefixed terminal, a file).

use std::{
    collections::VecDeque,
    fmt,
    io::{BufRead, BufReader, Read},
    process::Stdio,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Bytes kept of each child's output. `up` runs for weeks; a test reads a few hundred lines.
const KEPT: usize = 1 << 20;

type Handler = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a child's lines go.
#[derive(Clone, Default)]
pub struct Output(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Kept,
    Lines(Handler),
    Discarded,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Kept => "Kept",
            Kind::Lines(_) => "Lines",
            Kind::Discarded => "Discarded",
        })
    }
}

impl Output {
    /// Only kept.
    pub fn kept() -> Self {
        Self(Kind::Kept)
    }

    /// Kept, and each line goes to `handler`, from one thread for stdout and one for stderr.
    pub fn lines(handler: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Kind::Lines(Arc::new(handler)))
    }

    /// To /dev/null: reading it would take time that a benchmark measures.
    pub fn discarded() -> Self {
        Self(Kind::Discarded)
    }

    /// The child's stdout or stderr.
    pub(crate) fn stdio(&self) -> Stdio {
        if matches!(self.0, Kind::Discarded) { Stdio::null() } else { Stdio::piped() }
    }
}

/// The kept lines of one child, shared with the threads that read its pipes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<LogState>);

#[derive(Debug, Default)]
struct LogState {
    /// The lines, and their size in bytes.
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
                if let Kind::Lines(handler) = &output.0 {
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
        while *bytes > KEPT {
            *bytes -= lines.pop_front().map_or(*bytes, |oldest| oldest.len());
        }
    }

    /// Everything kept, a line end after each line.
    pub(crate) fn text(&self) -> String {
        lock(&self.0.lines).0.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// The last `count` lines.
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
