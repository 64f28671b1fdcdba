//! The routes of the HTTP contract. Handlers are thin: they read, ask, and answer.
//!
//! What an answer rests on is in the modules that they ask, and what is the same for every request (ids, logs, metrics) in
//! `observe`.

mod conditional;
mod docs;
mod events;
mod health;
mod lists;
mod values;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};

pub(crate) use docs::Docs;
pub(crate) use lists::Lists;

use crate::error::Error;
use crate::meters::Meters;
use crate::observe::observe;
use crate::state::AppState;

/// An index takes a few bytes; this leaves room for whatever else a client sends along.
const BODY: usize = 16 * 1024;

/// All routes, observed.
pub(crate) fn router(state: Arc<AppState>) -> Router {
    let meters = Arc::<Meters>::default();
    Router::new()
        .route("/", get(async || "Hi"))
        .route("/indices", get(lists::known))
        .route("/values/all", get(lists::all))
        .route("/values/current", get(lists::current))
        .route("/values/failed", get(lists::given_up))
        .route("/values", axum::routing::post(values::submit))
        .route("/values/{index}", get(values::digits))
        .route("/events", get(events::stream))
        .route("/health/live", get(async || "alive"))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .fallback(async || Error::no_such_route())
        .method_not_allowed_fallback(async || Error::wrong_method())
        .layer((middleware::from_fn_with_state(meters, observe), DefaultBodyLimit::max(BODY)))
        .with_state(state)
}
