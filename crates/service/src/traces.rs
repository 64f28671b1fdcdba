//! Traces: spans that are sent to a collector, by OTLP over HTTP, if `OTEL_EXPORTER_OTLP_ENDPOINT`
//! is set. Without it, no span with [`TARGET`] is created.
//!
//! Spans with that target are for traces only, and all other spans are for log lines only. So log
//! lines keep the fields of their request or job, whichever spans a trace has below it.

mod exporter;
mod sampler;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, Status, TraceContextExt, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, Filtered, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::config::TracesConfig;
use crate::process::StartError;

/// Target of the spans that belong to traces.
pub const TARGET: &str = "traces";

/// Time to send the last spans at the end of the process. All tasks have ended by then, at most
/// [`SHUTDOWN_GRACE`](crate::lifecycle::SHUTDOWN_GRACE) after the signal, and the process has 5 s.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(400);

/// A commit has a link to each of its submissions, which are 256 at most.
const MAX_LINKS: u32 = 256;

/// Whether this process sends traces.
static IS_ENABLED: AtomicBool = AtomicBool::new(false);

/// Sends the spans of this process.
pub struct Traces(SdkTracerProvider);

/// Exports spans with [`TARGET`], and adds warnings and errors to them.
pub(crate) type TracesLayer<S> = Filtered<OpenTelemetryLayer<S, SdkTracer>, FilterFn, S>;

impl Traces {
    /// `None` without an endpoint. Call it outside of the tokio runtime, because the HTTP client
    /// has a runtime of its own.
    pub(crate) fn start(
        service: &'static str,
        config: &TracesConfig,
    ) -> Result<Option<Self>, StartError> {
        let Some(endpoint) = config.endpoint() else { return Ok(None) };
        let exporter = exporter::connect(endpoint)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler::Sampler::new(config.sampled_fraction()))
            .with_max_links_per_span(MAX_LINKS)
            .with_resource(exporter::resource(service))
            .build();
        IS_ENABLED.store(true, Ordering::Relaxed);
        Ok(Some(Self(provider)))
    }

    pub(crate) fn layer<S>(&self) -> TracesLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let filter: FilterFn = filter_fn(|metadata| match metadata.is_span() {
            true => metadata.target() == TARGET,
            false => *metadata.level() <= Level::WARN,
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends the spans that are not sent yet. Blocks for up to `FLUSH_TIMEOUT`.
    pub(crate) fn flush(&self) {
        // The exporter logs its own errors.
        let _ = self.0.shutdown_with_timeout(FLUSH_TIMEOUT);
    }
}

/// Whether this process sends traces.
#[must_use]
pub fn are_enabled() -> bool {
    IS_ENABLED.load(Ordering::Relaxed)
}

/// A span of a trace, for spans and links in other tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TraceSpan(Option<Context>);

impl TraceSpan {
    /// The current span. It is none if traces are disabled, or outside of a span of a trace.
    #[must_use]
    pub fn current() -> Self {
        Self(are_enabled().then(Context::current).filter(Context::has_active_span))
    }

    fn of(span: &Span) -> Self {
        Self((!span.is_disabled()).then(|| span.context()))
    }

    /// The W3C header `traceparent` for this span; empty if there is none.
    #[must_use]
    pub fn traceparent(&self) -> String {
        self.span_context().map_or_else(String::new, |span| {
            let flags = span.trace_flags().to_u8();
            format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
        })
    }

    /// The id of its trace; `None` if that is not sampled, so that no log line names a trace that
    /// cannot be found.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let span = self.span_context().filter(SpanContext::is_sampled)?;
        Some(span.trace_id().to_string())
    }

    /// Whether it is sent.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.as_ref().is_some_and(|context| context.span().span_context().is_sampled())
    }

    /// Makes `span`, which was not entered yet, a child of this one.
    pub fn adopt(&self, span: &Span) {
        if let Some(context) = &self.0 {
            // Fails if `span` is disabled.
            let _ = span.set_parent(context.clone());
        }
    }

    /// Links this span and `shared`, which does the work of several requests, with each other.
    pub fn link(&self, shared: &Span) {
        let link = |from: &Self, to: &Self| {
            if let (Some(from), Some(to)) = (&from.0, to.span_context()) {
                from.span().add_link(to, Vec::new());
            }
        };
        let shared = Self::of(shared);
        link(self, &shared);
        link(&shared, self);
    }

    fn span_context(&self) -> Option<SpanContext> {
        self.0.as_ref().map(|context| context.span().span_context().clone())
    }
}

/// The W3C header `traceparent` for `span`; empty if it belongs to no trace.
#[must_use]
pub fn traceparent(span: &Span) -> String {
    TraceSpan::of(span).traceparent()
}

/// Makes `span`, which was not entered yet, continue the trace of a client, if `headers` has a
/// valid `traceparent`. Whether the trace is sent is decided here: a client must not cause cost.
pub fn continue_from_client(span: &Span, headers: &HeaderMap) {
    continue_from(span, &Headers(headers), |context| context);
}

/// Makes `span`, which was not entered yet, continue the trace of the service that sent
/// `traceparent`, and follow its decision whether the trace is sent. An invalid one starts a new
/// trace.
pub fn continue_from_service(span: &Span, traceparent: &str) {
    continue_from(span, &Traceparent(traceparent), |context| {
        context.with_value(sampler::FollowParent)
    });
}

fn continue_from(span: &Span, carrier: &dyn Extractor, adapt: fn(Context) -> Context) {
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), carrier);
        // Fails only for a span that has started.
        let _ = span.set_parent(adapt(parent));
    }
}

/// Marks `span` as failed.
pub fn fail(span: &Span, error: &dyn std::fmt::Display) {
    if !span.is_disabled() {
        span.set_status(Status::error(error.to_string()));
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

struct Traceparent<'a>(&'a str);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
