//! Log lines on standard output: JSON for machines, text for people.
//!
//! Every line of one request or job carries its `request_id` as a field of its own. No spans: entering and leaving one for each
//! request would take more time than the lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, OperatorConfig};

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("RUST_LOG is {filter:?}: {why}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        why: tracing_subscriber::filter::ParseError,
    },
    /// Something else has set up logs in this process.
    #[error("logs are set up already")]
    Twice(#[from] TryInitError),
}

/// Sets up logs for the process.
///
/// # Errors
/// [`Error::Filter`] for a wrong filter; [`Error::Twice`] when called twice.
pub fn start(config: &OperatorConfig) -> Result<(), Error> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::try_new(&config.rust_log)
        .map_err(|why| Error::Filter { filter: config.rust_log.clone(), why })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    match config.log_format {
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => {
            lines.with_target(false).with_ansi(std::io::stdout().is_terminal()).finish().try_init()?
        }
    }
    Ok(())
}
