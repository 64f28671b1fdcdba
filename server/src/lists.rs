//! The lists of submissions and of values, as response bodies. Concurrent requests for the pages
//! that every client requests share a read.

use std::borrow::Cow;

use contract::{FIRST_PAGE_SIZE, MAX_WHOLE_DIGITS, MAX_WHOLE_DIGITS_ON_PAGE};
use queue::ValueCache;
use sqlx::PgPool;

use crate::database::{self, PageBounds};
use crate::document::Document;
use crate::error::ApiError;
use crate::shared_read::SharedRead;

/// Maximum and default number of rows of a page.
pub(crate) const PAGE_SIZE: u32 = 1_000;
const NEWEST_PAGE: PageBounds = PageBounds { limit: PAGE_SIZE, before: None };

type SharedDocument = SharedRead<Result<Document, ApiError>>;

#[derive(Clone)]
pub(crate) struct Lists {
    pool: PgPool,
    cache: ValueCache,
    newest_submissions: SharedDocument,
    all_values: SharedDocument,
    /// The web page requests these when it is opened.
    first_values: SharedDocument,
}

/// Which values to read, and how to abbreviate them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValuesBounds {
    pub(crate) limit: u32,
    /// Values with more digits are abbreviated.
    pub(crate) digits: usize,
}

impl ValuesBounds {
    const ALL: Self = Self { limit: PAGE_SIZE, digits: MAX_WHOLE_DIGITS };
    const FIRST: Self = Self { limit: FIRST_PAGE_SIZE as u32, digits: MAX_WHOLE_DIGITS_ON_PAGE };
}

impl Lists {
    pub(crate) fn new(pool: PgPool, cache: ValueCache) -> Self {
        let (newest_submissions, all_values, first_values) = Default::default();
        Self { pool, cache, newest_submissions, all_values, first_values }
    }

    /// A page of submissions, oldest first.
    pub(crate) async fn submissions(&self, page: PageBounds) -> Result<Document, ApiError> {
        let pool = self.pool.clone();
        let read = async move { Ok(Document::json(&database::submissions(&pool, page).await?)) };
        if page == NEWEST_PAGE { self.newest_submissions.get(read).await } else { read.await }
    }

    /// The newest indices and their values, in numeric order.
    pub(crate) async fn values(&self, bounds: ValuesBounds) -> Result<Document, ApiError> {
        let read = read_values(self.cache.clone(), bounds);
        match bounds {
            ValuesBounds::ALL => self.all_values.get(read).await,
            ValuesBounds::FIRST => self.first_values.get(read).await,
            _ => read.await,
        }
    }
}

async fn read_values(cache: ValueCache, bounds: ValuesBounds) -> Result<Document, ApiError> {
    if bounds == ValuesBounds::ALL {
        return Ok(Document::json(&cache.current().await?));
    }
    let mut values = cache.newest(bounds.limit as usize).await?;
    for value in values.values_mut() {
        if let Cow::Owned(abbreviated) = contract::shorten(value, bounds.digits) {
            *value = abbreviated;
        }
    }
    Ok(Document::json(&values))
}
