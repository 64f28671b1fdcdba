//! The routes of the HTTP contract and their OpenAPI description.

mod docs;
mod events;
mod health;
mod lists;
mod problems;
mod values;

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::AllowedOrigins;
use crate::layers;
use crate::state::AppState;

/// The general part of the OpenAPI description; each handler adds its own route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fibonacci calculator",
        description = "Submit an index and get the exact Fibonacci number: F(0) = 0, F(1) = 1, \
            F(10) = 55. An index is committed to the database before its submission is \
            acknowledged. Errors are RFC 9457 application/problem+json; a 503 has Retry-After when \
            a retry can help. Every response has X-Request-Id, the id of the request in the logs."
    ),
    servers((url = ".")),
    components(
        schemas(contract::Problem),
        responses(
            problems::BodyTooLarge,
            problems::Internal,
            problems::Malformed,
            problems::NeverSubmitted,
            problems::NotAnIndex,
            problems::NotJson,
            problems::TookTooLong,
            problems::Unavailable,
            problems::WrongParameter,
        )
    )
)]
struct Description;

/// All routes with their layers.
pub(crate) fn router(state: Arc<AppState>, origins: &AllowedOrigins) -> Router {
    let max_index = state.max_index;
    let (routes, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(hi))
        .routes(routes!(values::submit))
        .routes(routes!(values::digits))
        .routes(routes!(lists::submissions))
        .routes(routes!(lists::values))
        .routes(routes!(lists::dead_letters))
        .routes(routes!(lists::indices))
        .routes(routes!(events::stream))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .with_state(state)
        .split_for_parts();
    layers::add(routes.merge(docs::routes(description, max_index)), origins)
}

/// Returns `Hi`, like the original.
#[utoipa::path(
    get,
    path = "/",
    responses((status = OK, description = "Hi", body = String, content_type = "text/plain"))
)]
async fn hi() -> &'static str {
    "Hi"
}
