//! Log lines on standard output, as JSON or as text. The lines of a request or job carry its span,
//! and with it the request's id.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, OperatorConfig};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter is malformed.
    #[error("RUST_LOG is {filter:?}: {why}")]
    Filter {
        /// `RUST_LOG`.
        filter: String,
        /// The parser's message.
        why: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before in this process.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Sets up logging for the process.
///
/// # Errors
/// [`LogsError::Filter`] for a malformed filter, [`LogsError::Twice`] for a second call.
pub fn start(config: &OperatorConfig) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(&config.rust_log)
        .map_err(|why| LogsError::Filter { filter: config.rust_log.clone(), why })?;
    let registry = tracing_subscriber::registry().with(filter);
    match config.log_format {
        // Not tracing-subscriber's own JSON: it parses the span's fields again for each line (6.0
        // µs for a span and a line, this 3.9), and nests `request_id`, which the edge's log has at
        // the top level.
        LogFormat::Json => {
            let lines =
                json_subscriber::fmt::layer().flatten_event(true).flatten_current_span_on_top_level(true);
            registry.with(lines.with_span_list(false)).try_init()?;
        }
        LogFormat::Text => {
            let lines = fmt::layer().with_target(false).with_ansi(std::io::stdout().is_terminal());
            registry.with(lines).try_init()?;
        }
    }
    Ok(())
}
