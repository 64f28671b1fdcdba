//! Sends spans to a collector. While that fails, spans are dropped: the queue holds 2,048 of them,
//! and no request waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::process::StartError;

const TIMEOUT: Duration = Duration::from_secs(5);
/// A collector that often fails and recovers is reported this often.
const MIN_TIME_BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// An exporter to `endpoint`, an address without a path.
pub(super) fn connect(endpoint: &str) -> Result<ReportingExporter, StartError> {
    let misconfigured = |error: &dyn std::fmt::Display| {
        StartError::Configuration(format!("OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint:?}: {error}"))
    };
    // Without the proxies of the environment, like all connections of api and worker.
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(TIMEOUT).build();
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(client.map_err(|error| misconfigured(&error))?)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|error| misconfigured(&error))?;
    Ok(ReportingExporter { exporter, failing: Mutex::default() })
}

/// What the collector is told about this process. `OTEL_RESOURCE_ATTRIBUTES` adds to it.
pub(super) fn resource(service: &'static str) -> Resource {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy().into_owned();
    Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.instance.id", host))
        .build()
}

/// Logs when the collector becomes unavailable and when it is back.
#[derive(Debug)]
pub(super) struct ReportingExporter {
    exporter: OtlpExporter,
    failing: Mutex<Failing>,
}

#[derive(Debug, Default)]
struct Failing {
    /// Whether the warning about the current outage was logged.
    is_reported: bool,
    last_warning: Option<Instant>,
}

impl SpanExporter for ReportingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match &exported {
            Ok(()) if failing.is_reported => {
                failing.is_reported = false;
                tracing::warn!("traces are sent again");
            }
            Err(error)
                if !failing.is_reported
                    && failing
                        .last_warning
                        .is_none_or(|last| last.elapsed() >= MIN_TIME_BETWEEN_WARNINGS) =>
            {
                *failing = Failing { is_reported: true, last_warning: Some(Instant::now()) };
                tracing::warn!(%error, spans, "traces cannot be sent; they are dropped");
            }
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
