//! The developer's terminal: Ctrl-C, SIGTERM and SIGHUP, questions, and output that may be piped
//! into `head`.

use std::io::{Write, stderr, stdin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stack::poll;

/// Like `println!`, but does not panic if stdout is a closed pipe.
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($text)*);
    }};
}

/// Like `eprintln!`, but does not panic if stderr is a closed pipe.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), $($text)*);
    }};
}

pub(crate) use {eprintln, println};

/// As a shell reports a command that Ctrl-C ended.
const ABORTED_EXIT_CODE: i32 = 130;

static SIGNAL_COUNT: AtomicUsize = AtomicUsize::new(0);

/// From now on, the first signal only makes [`interrupted`] true, for an orderly end. The second
/// one ends this process at once, and its children die with it.
pub(crate) fn listen_for_interrupts() -> Result<()> {
    let handler = || {
        if SIGNAL_COUNT.fetch_add(1, Ordering::SeqCst) > 0 {
            eprintln!("aborted");
            std::process::exit(ABORTED_EXIT_CODE);
        }
    };
    ctrlc::set_handler(handler).context("listening for signals")
}

pub(crate) fn interrupted() -> bool {
    SIGNAL_COUNT.load(Ordering::SeqCst) > 0
}

pub(crate) fn check_interrupt() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

/// Prints a question and returns the line that is typed in reply, empty at the end of the input.
pub(crate) fn ask(question: &str) -> Result<String> {
    let mut stderr = stderr();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    // A signal does not end `read_line`, so another thread calls it.
    let (sender, reply) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = sender.send(stdin().read_line(&mut line).map(|_| line));
    });
    let received = poll(Duration::MAX, || match check_interrupt() {
        Err(interrupted) => Some(Err(interrupted)),
        Ok(()) => Some(reply.try_recv().ok()?.context("reading the reply")),
    });
    if !matches!(&received, Some(Ok(line)) if line.ends_with('\n')) {
        // After Ctrl-C or Ctrl-D, the cursor is still behind the question.
        eprintln!();
    }
    received.context("no reply")?
}
