//! The middleware of all routes: request id, log span, error bodies, metrics, CORS, panics, timeout
//! and body limit.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use service::traces::{self, TraceSpan};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any as AnyOrigin, CorsLayer};
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::config::AllowedOrigins;
use crate::error::{self, ApiError};
use crate::metrics;
use crate::request_id::{MakeHexId, RequestId, X_REQUEST_ID, drop_invalid};

/// Until the head of the response: the body of an event stream may take longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// An index takes a few bytes; the rest allows for additional fields, which are ignored. The edge
/// has the same limit in limits.conf.template, and the texts of error 413 name it.
const BODY_LIMIT: usize = 16 * 1024;

/// Adds the layers to `routes`, the outermost first.
pub(crate) fn add(routes: Router, origins: &AllowedOrigins) -> Router {
    let routes = routes.layer(
        ServiceBuilder::new()
            .map_request(drop_invalid)
            .layer(SetRequestIdLayer::x_request_id(MakeHexId))
            // `error::render` logs a failure with its cause, `on_failure` only the status.
            .layer(TraceLayer::new_for_http().make_span_with(request_span).on_failure(()))
            .map_response(error::render)
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(from_fn(metrics::http::record))
            .option_layer(cors(origins))
            .layer(CatchPanicLayer::custom(panic_response))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIMEOUT))
            .layer(DefaultBodyLimit::max(BODY_LIMIT)),
    );
    if traces::are_enabled() { routes.layer(from_fn(trace)) } else { routes }
}

/// Adds the request to the trace of the client, or starts a trace. Health checks have none.
async fn trace(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    if route.starts_with("/health/") {
        return next.run(request).await;
    }
    let method = metrics::http::method_label(request.method());
    let span = tracing::info_span!(
        target: traces::TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        url.path = request.uri().path(),
        http.response.status_code = Empty,
        request_id = Empty
    );
    traces::continue_from_client(&span, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    span.record("request_id", response.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok()));
    if status.is_server_error() {
        traces::fail(&span, &status);
    }
    response
}

/// The span has level error, so that no log filter removes the request id from log lines.
///
/// An event stream has no span, because it would live as long as the stream: ten thousand of them
/// left 38 MB in the registry's slab, which never frees its pages. The only line that a stream logs
/// is its refusal.
fn request_span(request: &Request) -> Span {
    if request.uri().path() == "/events" {
        return Span::none();
    }
    let id = RequestId::of(request.extensions());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    tracing::error_span!(
        "request",
        request_id = id.as_str(),
        method = request.method().as_str(),
        route,
        trace_id = TraceSpan::current().trace_id()
    )
}

fn cors(origins: &AllowedOrigins) -> Option<CorsLayer> {
    let layer = match origins {
        AllowedOrigins::None => return None,
        AllowedOrigins::Any => CorsLayer::new().allow_origin(AnyOrigin),
        AllowedOrigins::List(origins) => {
            CorsLayer::new().allow_origin(AllowOrigin::list(origins.clone()))
        }
    };
    let layer = layer.allow_methods([Method::GET, Method::POST]);
    let layer = layer.allow_headers([header::CONTENT_TYPE, header::IF_NONE_MATCH, X_REQUEST_ID]);
    Some(layer.expose_headers([header::ETAG, header::RETRY_AFTER, X_REQUEST_ID]))
}

/// The panic hook of `service::panic` has logged and counted the panic.
fn panic_response(_: Box<dyn Any + Send>) -> Response {
    ApiError::internal().into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use contract::Problem;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_timeout_is_a_retryable_problem() {
        let response =
            send(AllowedOrigins::None, Request::get("/slow").header(X_REQUEST_ID, "slow")).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(header(&response, "content-type"), "application/problem+json");
        assert_eq!(
            (header(&response, "retry-after"), header(&response, "x-request-id")),
            ("1", "slow")
        );
    }

    async fn send(origins: AllowedOrigins, request: axum::http::request::Builder) -> Response {
        let routes = Router::new()
            .route("/", get(async || "Hi"))
            .route("/slow", get(std::future::pending::<()>))
            .route("/panic", get(async || -> &'static str { panic!("on purpose") }));
        add(routes, &origins).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_valid_request_id_is_kept() {
        for id in ["a", "0123456789abcdef0123456789abcdef", "A.b_c-9", &"x".repeat(64)] {
            let response =
                send(AllowedOrigins::None, Request::get("/").header(X_REQUEST_ID, id)).await;
            assert_eq!(header(&response, "x-request-id"), id);
        }
    }

    #[tokio::test]
    async fn an_invalid_request_id_is_replaced() {
        for id in ["", "a b", "a\"b", "a\tb", &"x".repeat(65)] {
            let response =
                send(AllowedOrigins::None, Request::get("/").header(X_REQUEST_ID, id)).await;
            let new = header(&response, "x-request-id");
            assert!(new != id && new.len() == 32, "{id:?} became {new:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_a_500_problem_with_the_request_id() {
        let response =
            send(AllowedOrigins::None, Request::get("/panic").header(X_REQUEST_ID, "a-panic"))
                .await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(header(&response, "content-type"), "application/problem+json");
        let body = to_bytes(response.into_body(), 1_024).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.status, problem.request_id.as_deref()), (500, Some("a-panic")));
        assert!(!String::from_utf8_lossy(&body).contains("on purpose"));
    }

    #[tokio::test]
    async fn without_allowed_origins_no_cors_header_is_sent() {
        let response =
            send(AllowedOrigins::None, Request::get("/").header("origin", "https://a.test")).await;
        assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    }

    #[tokio::test]
    async fn only_an_allowed_origin_may_read_responses() {
        let origins = "https://a.test, https://b.test".parse::<AllowedOrigins>().unwrap();
        for (origin, allowed) in [("https://b.test", "https://b.test"), ("https://c.test", "")] {
            let response = send(origins.clone(), Request::get("/").header("origin", origin)).await;
            assert_eq!(header(&response, "access-control-allow-origin"), allowed);
        }
    }

    #[tokio::test]
    async fn a_preflight_request_for_json_is_answered() {
        let request = Request::options("/")
            .header("origin", "https://a.test")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let response = send(AllowedOrigins::Any, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        assert!(header(&response, "access-control-allow-headers").contains("content-type"));
        assert_eq!(header(&response, "access-control-allow-methods"), "GET,POST");
    }
}
