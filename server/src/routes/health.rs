//! `GET /health/ready`: whether requests should be sent here, and what is wrong when not.
//!
//! Each part is asked anew, and nothing is kept. What becomes of a service that is not ready is its orchestrator's business.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{ComponentStatus, Readiness, ReadinessStatus};

use crate::database;
use crate::state::AppState;

/// A part that does not answer within this is down.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let postgres = async {
        let answers = tokio::time::timeout(PATIENCE, database::ping(&state.pool)).await;
        if matches!(answers, Ok(Ok(()))) && state.vitals.is_migrated() {
            ComponentStatus::Up
        } else {
            ComponentStatus::Down
        }
    };
    let stats = tokio::time::timeout(PATIENCE, state.cache.stats());
    let (postgres, stats) = tokio::join!(postgres, stats);
    let stats = stats.ok().and_then(Result::ok);
    let redis = if stats.is_some() { ComponentStatus::Up } else { ComponentStatus::Down };
    let workers = stats.map(|stats| stats.workers);

    let status = match (postgres, redis, workers) {
        (ComponentStatus::Down, _, _) | (_, ComponentStatus::Down, _) => ReadinessStatus::Unavailable,
        (ComponentStatus::Up, ComponentStatus::Up, Some(0)) => ReadinessStatus::Degraded,
        _ => ReadinessStatus::Ready,
    };
    let code =
        if status == ReadinessStatus::Unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let readiness = Readiness {
        status,
        postgres,
        redis,
        workers,
        queue: stats.map(|stats| stats.queue),
        dead_letters: stats.map(|stats| stats.dead_letters),
        max_index: state.max_index,
    };
    (code, [("cache-control", "no-store")], Json(readiness)).into_response()
}
