//! The routes that serve lists: submissions, values, indices and dead letters.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use axum_extra::TypedHeader;
use axum_extra::headers::IfNoneMatch;
use contract::{Index, KnownIndex, MAX_WHOLE_DIGITS, MIN_DIGITS_LIMIT, Submission};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Internal, TookTooLong, Unavailable, WrongParameter};
use crate::database::{self, PageBounds};
use crate::error::ApiError;
use crate::extract::Query;
use crate::lists::{PAGE_SIZE, ValuesBounds};
use crate::state::AppState;

/// Parameters of a paged list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Maximum number of rows; 1,000 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only rows with an id below this one.
    before: Option<i64>,
}

/// Parameters of the list of values.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ValuesQuery {
    /// Maximum number of values; 1,000 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Values with more digits than this are abbreviated; 500 by default.
    #[param(minimum = 40, maximum = 500)]
    digits: Option<usize>,
}

impl PageQuery {
    fn bounds(&self) -> Result<PageBounds, ApiError> {
        Ok(PageBounds { limit: limit(self.limit)?, before: self.before })
    }
}

impl ValuesQuery {
    fn bounds(&self) -> Result<ValuesBounds, ApiError> {
        let digits = self.digits.unwrap_or(MAX_WHOLE_DIGITS);
        if !(MIN_DIGITS_LIMIT..=MAX_WHOLE_DIGITS).contains(&digits) {
            return Err(ApiError::wrong_parameter(format!(
                "digits is {digits}; it must be from {MIN_DIGITS_LIMIT} to {MAX_WHOLE_DIGITS}"
            )));
        }
        Ok(ValuesBounds { limit: limit(self.limit)?, digits })
    }
}

fn limit(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(PAGE_SIZE);
    if !(1..=PAGE_SIZE).contains(&limit) {
        return Err(ApiError::wrong_parameter(format!(
            "limit is {limit}; it must be from 1 to {PAGE_SIZE}"
        )));
    }
    Ok(limit)
}

/// Lists submissions, oldest first, duplicates included.
///
/// Without parameters, the page has the newest 1,000.
#[utoipa::path(
    get,
    path = "/values/all",
    params(
        PageQuery,
        ("if-none-match" = Option<String>, Header, description = "ETag of the client's copy")
    ),
    responses(
        (status = OK, description = "A page of submissions", body = [Submission],
            headers(("etag" = String, description = "Changes with the content"))),
        (status = NOT_MODIFIED, description = "The client's copy is current"),
        (status = UNPROCESSABLE_ENTITY, response = WrongParameter),
        (status = INTERNAL_SERVER_ERROR, response = Internal),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
        (status = GATEWAY_TIMEOUT, response = TookTooLong),
    )
)]
pub(super) async fn submissions(
    State(state): State<Arc<AppState>>,
    if_none_match: Option<TypedHeader<IfNoneMatch>>,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    Ok(state.lists.submissions(query.bounds()?).await?.into_response(if_none_match))
}

/// Lists the newest indices with their values, in numeric order.
///
/// A short value has all its digits. A long one is abbreviated to its first and last digits and the
/// digit count. A value that is not calculated yet is `Nothing yet!`.
#[utoipa::path(
    get,
    path = "/values/current",
    params(
        ValuesQuery,
        ("if-none-match" = Option<String>, Header, description = "ETag of the client's copy")
    ),
    responses(
        (
            status = OK,
            description = "Index to value",
            body = std::collections::BTreeMap<String, String>,
            headers(("etag" = String, description = "Changes with the content"))
        ),
        (status = NOT_MODIFIED, description = "The client's copy is current"),
        (status = UNPROCESSABLE_ENTITY, response = WrongParameter),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
        (status = GATEWAY_TIMEOUT, response = TookTooLong),
    )
)]
pub(super) async fn values(
    State(state): State<Arc<AppState>>,
    if_none_match: Option<TypedHeader<IfNoneMatch>>,
    Query(query): Query<ValuesQuery>,
) -> Result<Response, ApiError> {
    Ok(state.lists.values(query.bounds()?).await?.into_response(if_none_match))
}

/// Lists every index ever submitted, each once, the most recently submitted first.
#[utoipa::path(
    get,
    path = "/indices",
    params(PageQuery),
    responses(
        (status = OK, description = "A page of indices", body = [KnownIndex]),
        (status = UNPROCESSABLE_ENTITY, response = WrongParameter),
        (status = INTERNAL_SERVER_ERROR, response = Internal),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
        (status = GATEWAY_TIMEOUT, response = TookTooLong),
    )
)]
pub(super) async fn indices(
    State(state): State<Arc<AppState>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Vec<KnownIndex>>, ApiError> {
    Ok(Json(database::known_indices(&state.pool, query.bounds()?).await?))
}

/// Lists the indices of the dead letters, in numeric order.
///
/// They are calculated again only after an operator retries them.
#[utoipa::path(
    get,
    path = "/values/failed",
    responses(
        (status = OK, description = "Indices", body = [Index]),
        (status = SERVICE_UNAVAILABLE, response = Unavailable),
        (status = GATEWAY_TIMEOUT, response = TookTooLong),
    )
)]
pub(super) async fn dead_letters(
    State(state): State<Arc<AppState>>,
) -> Result<Json<BTreeSet<Index>>, ApiError> {
    Ok(Json(state.monitor.dead_lettered_indices().await?))
}
