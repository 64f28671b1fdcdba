//! What becomes of a child's output: its last lines are always kept, for error messages and for tests, and each
//! line can go to a handler as well (a prefixed terminal, a file). Nothing is ever thrown at our own terminal
//! unless asked for.

use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::Stdio,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{Error, Result};

/// Bytes kept of each child's output. `up` runs for weeks; a test reads a few hundred lines.
const KEPT: usize = 1 << 20;

type Handler = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a child's lines go, besides being kept.
#[derive(Clone, Default)]
pub struct Output(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Kept,
    Lines(Handler),
    Inherited,
    Discarded,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Kept => "Kept",
            Kind::Lines(_) => "Lines",
            Kind::Inherited => "Inherited",
            Kind::Discarded => "Discarded",
        })
    }
}

impl Output {
    /// Kept and shown to nobody.
    #[must_use]
    pub fn kept() -> Self {
        Self(Kind::Kept)
    }

    /// Each line goes to `handler`, without its line end. Lines of stdout and stderr arrive from two threads.
    pub fn lines(handler: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Kind::Lines(Arc::new(handler)))
    }

    /// Each line is appended to the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened.
    pub fn file(path: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        let file = Mutex::new(file.map_err(Error::io(format!("opening {}", path.display())))?);
        Ok(Self::lines(move |line| {
            // A full disk must not end the child that writes the log.
            let _ = lock(&file).write_all(format!("{line}\n").as_bytes());
        }))
    }

    /// Straight to our own stdout and stderr, colours included. Nothing is kept.
    #[must_use]
    pub fn inherited() -> Self {
        Self(Kind::Inherited)
    }

    /// To /dev/null: reading it would take time that a measurement counts.
    #[must_use]
    pub fn discarded() -> Self {
        Self(Kind::Discarded)
    }

    /// What the child gets instead of pipes; `None` when its output is followed.
    pub(crate) fn direct(&self) -> Option<fn() -> Stdio> {
        match self.0 {
            Kind::Kept | Kind::Lines(_) => None,
            Kind::Inherited => Some(Stdio::inherit),
            Kind::Discarded => Some(Stdio::null),
        }
    }

    fn handler(&self) -> Option<Handler> {
        match &self.0 {
            Kind::Lines(handler) => Some(handler.clone()),
            Kind::Kept | Kind::Inherited | Kind::Discarded => None,
        }
    }
}

/// The kept lines of one child, shared with the threads that read its pipes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: Mutex<(VecDeque<String>, usize)>,
    open_pipes: AtomicUsize,
    closed: Condvar,
}

impl Log {
    /// Reads `pipe` to its end on a thread of its own.
    pub(crate) fn follow(&self, pipe: impl Read + Send + 'static, output: &Output) {
        let (log, handler) = (self.clone(), output.handler());
        self.0.open_pipes.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                log.keep(text);
                if let Some(handler) = &handler {
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

    /// Waits until both pipes are read to their end, at most `bound`: a grandchild may hold one open.
    pub(crate) fn wait_complete(&self, bound: Duration) {
        let guard = lock(&self.0.lines);
        let open = |_: &mut _| self.0.open_pipes.load(Ordering::SeqCst) > 0;
        drop(self.0.closed.wait_timeout_while(guard, bound, open));
    }
}

/// A panic elsewhere does not make kept lines wrong.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
