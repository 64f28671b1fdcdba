//! Liveness and readiness. Every readiness request checks Postgres and Redis, without a cache;
//! concurrent requests share a check of Postgres.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use contract::{ComponentStatus, Readiness, ReadinessStatus};

use crate::state::AppState;

/// A Redis that does not answer within this time is down.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns `alive` while the process runs.
#[utoipa::path(
    get,
    path = "/health/live",
    responses((status = OK, description = "alive", body = String, content_type = "text/plain"))
)]
pub(super) async fn live() -> &'static str {
    "alive"
}

/// Returns whether this api should receive requests, and the state of its dependencies.
#[utoipa::path(
    get,
    path = "/health/ready",
    responses(
        (status = OK, description = "Ready, or degraded: no worker is alive", body = Readiness),
        (
            status = SERVICE_UNAVAILABLE,
            description = "Postgres or Redis is unavailable or refuses writes",
            body = Readiness
        ),
    )
)]
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    let stats = tokio::time::timeout(REDIS_TIMEOUT, state.monitor.stats());
    let (is_postgres_ready, stats) = tokio::join!(state.postgres_health.is_ready(), stats);
    let stats = stats.ok().and_then(Result::ok);

    let (code, status) = match &stats {
        Some(stats) if is_postgres_ready && stats.live_workers > 0 => {
            (StatusCode::OK, ReadinessStatus::Ready)
        }
        Some(_) if is_postgres_ready => (StatusCode::OK, ReadinessStatus::Degraded),
        _ => (StatusCode::SERVICE_UNAVAILABLE, ReadinessStatus::Unavailable),
    };
    let component = |up| if up { ComponentStatus::Up } else { ComponentStatus::Down };
    let readiness = Readiness {
        status,
        postgres: component(is_postgres_ready),
        redis: component(stats.is_some()),
        workers: stats.as_ref().map(|stats| stats.live_workers),
        queue: stats.as_ref().map(|stats| stats.queue_length.jobs()),
        dead_letters: stats.as_ref().map(|stats| stats.dead_letters),
        worker_names: stats.map(|stats| stats.worker_names).unwrap_or_default(),
        max_index: state.max_index,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(readiness))
}
