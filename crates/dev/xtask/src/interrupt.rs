//! Ctrl-C, SIGTERM and SIGHUP: the first one asks for an orderly end, which whoever waits for something has to
//! look for; the second one ends this process at once. Our children die with it (see `stack`).
//!
//! It ends nobody in an orderly way by itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

/// What a shell reports for a command that Ctrl-C ended.
const ABORTED: i32 = 130;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// Starts to listen.
pub(crate) fn install() -> Result<()> {
    let handler = || {
        if SIGNALS.fetch_add(1, Ordering::SeqCst) > 0 {
            eprintln!("aborted");
            std::process::exit(ABORTED);
        }
    };
    ctrlc::set_handler(handler).context("listening to signals")
}

/// Whether the end was asked for.
pub(crate) fn requested() -> bool {
    SIGNALS.load(Ordering::SeqCst) > 0
}

/// An error when the end was asked for.
pub(crate) fn check() -> Result<()> {
    if requested() {
        bail!("interrupted");
    }
    Ok(())
}
