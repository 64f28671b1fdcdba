//! What was submitted and what is known, as lists. Each is bounded, and what everybody asks for is read once for all who
//! ask at the same time.
//!
//! They are never kept between two reads: what is read is as new as the request.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use contract::{FIRST_DIGITS, FIRST_INDICES, Index, KnownIndex, LEAST_DIGITS, Submission, WHOLE_DIGITS};
use serde::Deserialize;

use super::conditional::Document;
use crate::database;
use crate::error::Error;
use crate::shared_read::SharedRead;
use crate::state::AppState;

/// Rows of one page, and of one that does not say how many.
const PAGE: u32 = 1_000;

/// What every open page asks for at the same time when something may have been missed.
const FIRST: (u32, usize) = (FIRST_INDICES as u32, FIRST_DIGITS);

/// A list as everybody gets it.
type List = SharedRead<Result<Document, Error>>;

/// The lists that everybody asks for. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lists {
    submissions: List,
    current: List,
    /// Of the current ones, as many as a page shows at first.
    first: List,
}

/// Which page of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<u32>,
    before: Option<i64>,
}

/// How much of a list that has one page only.
#[derive(Deserialize)]
pub(super) struct Newest {
    limit: Option<u32>,
    /// Values of more than these are wanted by their ends.
    digits: Option<usize>,
}

impl Newest {
    fn bounds(newest: Result<Query<Self>, QueryRejection>) -> Result<(u32, usize), Error> {
        let Query(newest) = newest.map_err(|_| {
            Error::wrong_parameter(format!(
                "limit and digits are whole numbers: 1 to {PAGE}, {LEAST_DIGITS} to {WHOLE_DIGITS}"
            ))
        })?;
        let digits = newest.digits.unwrap_or(WHOLE_DIGITS);
        if !(LEAST_DIGITS..=WHOLE_DIGITS).contains(&digits) {
            return Err(Error::wrong_parameter(format!(
                "digits is {digits}: it goes from {LEAST_DIGITS} to {WHOLE_DIGITS}"
            )));
        }
        Ok((limit(newest.limit)?, digits))
    }
}

fn limit(limit: Option<u32>) -> Result<u32, Error> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Error::wrong_parameter(format!("limit is {limit}: it goes from 1 to {PAGE}")));
    }
    Ok(limit)
}

impl Page {
    /// The id below which it begins, and how many rows it has.
    fn bounds(page: Result<Query<Self>, QueryRejection>) -> Result<(i64, i64), Error> {
        let Query(page) = page.map_err(|_| {
            Error::wrong_parameter(format!(
                "limit is a whole number from 1 to {PAGE}, before is the id of a submission"
            ))
        })?;
        Ok((page.before.unwrap_or(i64::MAX), limit(page.limit)?.into()))
    }
}

/// The newest page, which nearly everybody wants.
const NEWEST: (i64, i64) = (i64::MAX, PAGE as i64);

pub(super) async fn all(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Error> {
    let (before, limit) = Page::bounds(page)?;
    let pool = state.pool.clone();
    let read = async move {
        let rows: Vec<Submission> = database::submissions(&pool, before, limit).await?;
        Ok(Document::json(&rows))
    };
    let document =
        if (before, limit) == NEWEST { state.lists.submissions.get(read).await } else { read.await };
    Ok(document?.answer(&headers))
}

pub(super) async fn current(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    newest: Result<Query<Newest>, QueryRejection>,
) -> Result<Response, Error> {
    let bounds = Newest::bounds(newest)?;
    let cache = state.cache.clone();
    let document = match bounds {
        (PAGE, WHOLE_DIGITS) => {
            let read = async move { Ok(Document::json(&cache.current().await?)) };
            state.lists.current.get(read).await
        }
        (limit, digits) => {
            let read = async move {
                let mut values = cache.newest(limit as usize).await?;
                for shown in values.values_mut() {
                    if let Cow::Owned(ends) = contract::shorten(shown, digits) {
                        *shown = ends;
                    }
                }
                Ok(Document::json(&values))
            };
            if bounds == FIRST { state.lists.first.get(read).await } else { read.await }
        }
    };
    Ok(document?.answer(&headers))
}

pub(super) async fn known(
    State(state): State<Arc<AppState>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Vec<KnownIndex>>, Error> {
    let (before, limit) = Page::bounds(page)?;
    Ok(Json(database::known(&state.pool, before, limit).await?))
}

pub(super) async fn given_up(State(state): State<Arc<AppState>>) -> Result<Json<BTreeSet<Index>>, Error> {
    Ok(Json(state.cache.given_up().await?))
}
