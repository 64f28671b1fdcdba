//! Log lines on standard output, as JSON or as text. The lines of a request or a job contain the
//! fields of its span, such as the request id.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::config::{LogFormat, OperatorConfig};
use crate::process::StartError;
use crate::traces::{self, Traces};

/// Sets up logging, and traces if there are any, for the process. Panics when called twice.
pub fn start(config: &OperatorConfig, traces: Option<&Traces>) -> Result<(), StartError> {
    let filter = &config.rust_log;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| StartError::Configuration(format!("RUST_LOG is {filter:?}: {error}")))?;
    let without_traces = format!("{}=off", traces::TARGET).parse();
    let filter = filter.add_directive(without_traces.expect("a directive"));
    let lines = config.log_format;
    match traces {
        None => registry().with(filter).with(layer(lines)).init(),
        Some(traces) => {
            registry().with(layer(lines).with_filter(filter)).with(traces.layer()).init();
        }
    }
    Ok(())
}

/// Not a `Box<dyn Layer>`, because each request calls it a dozen times.
fn layer<S>(format: LogFormat) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let json = (format == LogFormat::Json).then(|| {
        // tracing-subscriber's own JSON parses the span's fields again for each line: a span with a
        // line takes 6.0 µs, and 3.9 µs with this crate. It also nests `request_id`, which is at
        // the top level in the edge's log.
        let lines = json_subscriber::fmt::layer()
            .flatten_event(true)
            .flatten_current_span_on_top_level(true);
        lines.with_span_list(false)
    });
    let text = (format == LogFormat::Text)
        .then(|| fmt::layer().with_target(false).with_ansi(std::io::stdout().is_terminal()));
    Layer::and_then(json, text)
}
