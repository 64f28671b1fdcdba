//! The routes of the HTTP contract. Handlers are thin: they read, ask, and answer.

mod docs;
mod events;
mod health;
mod values;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};

pub(crate) use docs::Docs;

use crate::error::Error;
use crate::observe::observe;
use crate::state::AppState;

/// An index takes a few bytes; this leaves room for whatever else a client sends along.
const BODY: usize = 16 * 1024;

/// All routes, observed.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .route("/", get(async || "Hi"))
        .route("/indices", get(values::known))
        .route("/values/all", get(values::all))
        .route("/values/current", get(values::current))
        .route("/values/failed", get(values::given_up))
        .route("/values", axum::routing::post(values::submit))
        .route("/values/{index}", get(values::digits))
        .route("/events", get(events::stream))
        .route("/health/live", get(async || "alive"))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .fallback(async || Error::no_such_route())
        .method_not_allowed_fallback(async || Error::wrong_method())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(observe))
        .with_state(state)
}
