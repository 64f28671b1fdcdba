//! The developer's terminal: Ctrl-C, SIGTERM and SIGHUP, and output that may be piped into `head`.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

/// As `println!`, without its panic when nothing reads stdout any more.
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($text)*);
    }};
}

/// As `eprintln!`, without its panic when nothing reads stderr any more.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), $($text)*);
    }};
}

pub(crate) use {eprintln, println};

/// What a shell reports for a command that Ctrl-C ended.
const ABORTED_EXIT_CODE: i32 = 130;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// From now on the first signal only makes [`interrupted`] true, for an orderly end; the second one
/// ends this process at once, and its children die with it.
pub(crate) fn listen_for_interrupts() -> Result<()> {
    let handler = || {
        if SIGNALS.fetch_add(1, Ordering::SeqCst) > 0 {
            eprintln!("aborted");
            std::process::exit(ABORTED_EXIT_CODE);
        }
    };
    ctrlc::set_handler(handler).context("listening for signals")
}

pub(crate) fn interrupted() -> bool {
    SIGNALS.load(Ordering::SeqCst) > 0
}

pub(crate) fn check_interrupt() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}
