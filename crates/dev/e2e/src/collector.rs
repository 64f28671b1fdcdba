//! A collector of traces, which receives OTLP over HTTP and keeps the spans.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use stack::lock;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// Receives spans until it is dropped.
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
    _server: AbortOnDropHandle<()>,
}

/// A span and the service that sent it.
#[derive(Clone, Debug)]
pub struct ReceivedSpan {
    pub service: String,
    pub span: Span,
}

impl Collector {
    pub async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<ReceivedSpan>>>::default();
        let received = Arc::clone(&spans);
        let receive = async move |body: Bytes| match ExportTraceServiceRequest::decode(body) {
            Ok(request) => {
                lock(&received).extend(spans_of(request));
                StatusCode::OK
            }
            Err(_) => StatusCode::BAD_REQUEST,
        };
        let routes = Router::new().route("/v1/traces", post(receive));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = async move { axum::serve(listener, routes).await.expect("a server") };
        Self { url, spans, _server: AbortOnDropHandle::new(tokio::spawn(server)) }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        lock(&self.spans).clone()
    }
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<ReceivedSpan> {
    let resources = request.resource_spans.into_iter();
    let spans = resources.flat_map(|of_resource| {
        let service = service_name(&of_resource.resource.unwrap_or_default());
        let scopes = of_resource.scope_spans.into_iter();
        let spans = scopes.flat_map(|scope| scope.spans);
        spans.map(move |span| ReceivedSpan { service: service.clone(), span })
    });
    spans.collect()
}

fn service_name(resource: &Resource) -> String {
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    match name.and_then(|name| name.value.clone()?.value) {
        Some(Value::StringValue(name)) => name,
        _ => String::new(),
    }
}
