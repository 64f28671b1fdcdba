//! Log lines on standard output, as JSON or as text. The lines of a request or a job contain the
//! fields of its span, such as the request id.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, OperatorConfig};
use crate::process::StartError;

/// Sets up logging for the process. Panics when called twice.
pub fn start(config: &OperatorConfig) -> Result<(), StartError> {
    let filter = &config.rust_log;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| StartError::Configuration(format!("RUST_LOG is {filter:?}: {error}")))?;
    let registry = tracing_subscriber::registry().with(filter);
    match config.log_format {
        // tracing-subscriber's own JSON parses the span's fields again for each line: a span with a
        // line takes 6.0 µs, and 3.9 µs with this crate. It also nests `request_id`, which is at
        // the top level in the edge's log.
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
