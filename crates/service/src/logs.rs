//! Log lines on standard output, as JSON or as text. The lines of a request or job carry its span,
//! and with it the request's id.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, OperatorConfig};
use crate::process::StartError;

/// Sets up logging for the process.
///
/// # Panics
/// When it is called twice.
pub fn start(config: &OperatorConfig) -> Result<(), StartError> {
    let filter = &config.rust_log;
    let filter = EnvFilter::try_new(filter)
        .map_err(|why| StartError::Configuration(format!("RUST_LOG is {filter:?}: {why}")))?;
    let registry = tracing_subscriber::registry().with(filter);
    match config.log_format {
        // Not tracing-subscriber's own JSON: it parses the span's fields again for each line (6.0
        // µs for a span and a line, this 3.9), and nests `request_id`, which the edge's log has at
        // the top level.
        LogFormat::Json => {
            let lines = json_subscriber::fmt::layer()
                .flatten_event(true)
                .flatten_current_span_on_top_level(true);
            registry.with(lines.with_span_list(false)).init();
        }
        LogFormat::Text => {
            let lines = fmt::layer().with_target(false).with_ansi(std::io::stdout().is_terminal());
            registry.with(lines).init();
        }
    }
    Ok(())
}
