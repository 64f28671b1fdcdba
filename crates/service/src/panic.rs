//! A panic hook that writes one log line and counts the panic in the metrics. The crate
//! `tracing-panic` does not count.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;

/// Replaces the standard library's hook, which prints several lines of text to stderr.
pub fn install_hook() {
    metrics::describe_counter!("panics_total", "panics of this process; each is a bug");
    // Registered now, because an alert on a missing metric never fires.
    let _ = metrics::counter!("panics_total");
    panic::set_hook(Box::new(|info| {
        metrics::counter!("panics_total").increment(1);
        let location = info.location().map(ToString::to_string);
        let panic = info.payload_as_str().unwrap_or("(not a string)");
        // Captured only with RUST_BACKTRACE=1.
        let backtrace = Backtrace::capture();
        let backtrace =
            (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(location, panic, backtrace, "panicked");
    }));
}
