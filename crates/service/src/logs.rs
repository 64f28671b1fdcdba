//! Log lines on standard output, as JSON or as text. The lines of a request or job carry its span, and with it
//! the request's id.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, OperatorConfig};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
/// [`Error::Filter`] for a malformed filter, [`Error::Twice`] for a second call.
pub fn start(config: &OperatorConfig) -> Result<(), Error> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::try_new(&config.rust_log)
        .map_err(|why| Error::Filter { filter: config.rust_log.clone(), why })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    match config.log_format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).finish().try_init()?,
        LogFormat::Text => {
            lines.with_target(false).with_ansi(std::io::stdout().is_terminal()).finish().try_init()?
        }
    }
    Ok(())
}
