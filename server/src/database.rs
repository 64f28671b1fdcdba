//! All SQL but the migrations'. Statements are checked against the migrated schema when the crate
//! is compiled: `.sqlx` has what Postgres says about them (`cargo xtask queries`).

mod failure;

use std::time::{Duration, Instant};

use contract::{Index, KnownIndex, Submission};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres};
use tokio::time::timeout;

pub(crate) use self::failure::PostgresFailure;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a pooled connection to report whether its server accepts writes. It leaves half of
/// [`ACQUIRE_TIMEOUT`] to connect anew.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// A younger connection to a read-only server is not replaced: where all servers are read-only,
/// requests that only read would otherwise connect anew each.
const MIN_AGE_TO_REPLACE: Duration = Duration::from_millis(500);
/// A connection that was idle for longer may be closed without our knowing.
const MAX_IDLE: Duration = Duration::from_millis(500);

/// A page of submissions or indices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageBounds {
    pub(crate) limit: u32,
    /// Only submissions with an id below this one.
    pub(crate) before: Option<i64>,
}

/// An index, and the id of its newest submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexWithId {
    pub(crate) index: Index,
    pub(crate) id: i64,
}

/// Host, port and database, for logs.
pub(crate) fn address(pool: &PgPool) -> String {
    let options = pool.connect_options();
    let database = options.get_database().unwrap_or_default();
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

/// A pool that connects when it is used: Postgres may start later.
///
/// A connection to a server that became read-only is closed. The next one may reach the new
/// primary, behind a name or a proxy that leads there by now.
pub(crate) fn connect(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // As long as a request may take: a statement that takes longer is stuck and must not keep
        // its connection. Behind a pooler, some sessions may lack it.
        .after_connect(|connection, _| {
            Box::pin(
                async move { connection.execute("SET statement_timeout = '10s'").await.map(drop) },
            )
        })
        // Instead of sqlx's ping, which takes as many round trips.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                let accepts_writes = timeout(CHECK_TIMEOUT, accepts_writes(connection)).await;
                // Not an error, which sqlx would log for each connection of an outage.
                Ok(match accepts_writes {
                    Ok(Ok(accepts_writes)) => accepts_writes || meta.age < MIN_AGE_TO_REPLACE,
                    Ok(Err(_)) | Err(_) => false,
                })
            })
        })
        // sqlx's own check of a returned connection has no timeout: when its Postgres has vanished
        // without closing it, it would occupy the pool for as long as TCP retries.
        .after_release(|connection, _| {
            Box::pin(async {
                Ok(matches!(timeout(ACQUIRE_TIMEOUT, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options)
}

/// Whether transactions may write: not on a standby, nor where the configuration forbids it.
async fn accepts_writes(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT current_setting('transaction_read_only') = 'off' AS "accepts_writes!""#
    )
    .fetch_one(connection)
    .await
}

/// Inserts submissions. It keeps a connection between statements: the pool's checks when one is
/// acquired and released take as many round trips as the statement.
pub(crate) struct Inserter {
    pool: PgPool,
    kept: Option<(PoolConnection<Postgres>, Instant)>,
}

impl Inserter {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, kept: None }
    }

    /// Commits submissions in one statement. Returns their ids, in the order of `indices`.
    pub(crate) async fn insert(&mut self, indices: &[Index]) -> sqlx::Result<Vec<i64>> {
        let mut connection = match self.kept.take() {
            Some((connection, used)) if used.elapsed() < MAX_IDLE => connection,
            stale => {
                drop(stale);
                self.pool.acquire().await?
            }
        };
        // After an error, and when this future is dropped, it returns to the pool, which checks it.
        let ids = insert(&mut connection, indices).await?;
        self.kept = Some((connection, Instant::now()));
        Ok(ids)
    }
}

async fn insert(connection: &mut PgConnection, indices: &[Index]) -> sqlx::Result<Vec<i64>> {
    let numbers: Vec<i32> = indices.iter().copied().map(column).collect();
    let mut ids = sqlx::query_scalar!(
        r#"INSERT INTO "values" (number)
           SELECT number FROM unnest($1::int[]) WITH ORDINALITY AS given (number, position) ORDER BY position
           RETURNING id"#,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    // Ids ascend in the order of the rows, which RETURNING does not promise to keep.
    ids.sort_unstable();
    Ok(ids)
}

/// The lowest and the highest id of the submissions.
pub(crate) struct SubmissionIds {
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
}

/// `None` when there are no submissions.
pub(crate) async fn submission_ids(pool: &PgPool) -> sqlx::Result<Option<SubmissionIds>> {
    let ids = sqlx::query!(r#"SELECT min(id) AS oldest, max(id) AS newest FROM "values""#)
        .fetch_one(pool)
        .await?;
    Ok(ids.oldest.zip(ids.newest).map(|(oldest, newest)| SubmissionIds { oldest, newest }))
}

/// Deletes submissions with ids up to `up_to`, the oldest first, at most `limit`; skips locked
/// rows. Returns how many it deleted.
pub(crate) async fn delete_submissions(pool: &PgPool, up_to: i64, limit: i64) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        r#"DELETE FROM "values" WHERE id IN (
               SELECT id FROM "values" WHERE id <= $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)"#,
        up_to,
        limit
    )
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// A page of submissions, oldest first.
pub(crate) async fn submissions(pool: &PgPool, page: PageBounds) -> sqlx::Result<Vec<Submission>> {
    let rows = sqlx::query!(
        r#"SELECT id, number AS "number!",
                  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!"
           FROM "values" WHERE id < $1 AND number >= 0 ORDER BY id DESC LIMIT $2"#,
        page.before.unwrap_or(i64::MAX),
        i64::from(page.limit)
    )
    .map(|row| Some(Submission { id: row.id, number: index(row.number)?, created_at: row.created_at }))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().rev().flatten().collect())
}

/// A page of indices, each once, the one submitted last first.
pub(crate) async fn known_indices(
    pool: &PgPool,
    page: PageBounds,
) -> sqlx::Result<Vec<KnownIndex>> {
    let rows = sqlx::query!(
        "SELECT number, submissions, newest FROM indices WHERE newest < $1 ORDER BY newest DESC LIMIT $2",
        page.before.unwrap_or(i64::MAX),
        i64::from(page.limit)
    )
    .map(|row| {
        let index = index(row.number)?;
        Some(KnownIndex { index, submissions: row.submissions, newest: row.newest })
    })
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Whether `index` was ever submitted.
pub(crate) async fn is_submitted(pool: &PgPool, index: Index) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM indices WHERE number = $1) AS "exists!""#,
        column(index)
    )
    .fetch_one(pool)
    .await
}

/// The newest `limit` indices up to `max`, each once.
pub(crate) async fn newest_indices(
    pool: &PgPool,
    limit: i64,
    max: u32,
) -> sqlx::Result<Vec<IndexWithId>> {
    let rows = sqlx::query!(
        "SELECT number, newest FROM indices WHERE number <= $2 ORDER BY newest DESC LIMIT $1",
        limit,
        max.cast_signed()
    )
    .map(|row| Some(IndexWithId { index: index(row.number)?, id: row.newest }))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Up to `limit` indices above `after` and up to `max` without a known value, in numeric order.
pub(crate) async fn find_missing(
    pool: &PgPool,
    after: Option<Index>,
    limit: i64,
    max: u32,
) -> sqlx::Result<Vec<IndexWithId>> {
    let rows = sqlx::query!(
        "SELECT number, newest FROM indices WHERE NOT done AND number > $1 AND number <= $3
         ORDER BY number LIMIT $2",
        after.map_or(-1, column),
        limit,
        max.cast_signed()
    )
    .map(|row| Some(IndexWithId { index: index(row.number)?, id: row.newest }))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Records that the values of `indices` are known. Rows that are locked are left for the next time.
pub(crate) async fn mark_done(pool: &PgPool, indices: &[Index]) -> sqlx::Result<()> {
    let numbers: Vec<i32> = indices.iter().copied().map(column).collect();
    sqlx::query!(
        "UPDATE indices SET done = true WHERE number IN (
             SELECT number FROM indices WHERE number = ANY($1) AND NOT done ORDER BY number FOR UPDATE SKIP LOCKED)",
        &numbers
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Proves that Postgres accepts writes, and has the tables that the other statements need.
pub(crate) async fn write_health(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    // While a migration locks a table, the write fails by this timeout, which is less than that of
    // the health check: Postgres does not count as unavailable. LOCAL: behind a pooler, the session
    // is shared.
    transaction.execute("SET LOCAL lock_timeout = '500ms'").await?;
    // The joins match no row; they fail if a table is missing.
    sqlx::query!(
        r#"INSERT INTO health (id, checked_at)
           SELECT true, now() FROM (SELECT) AS one_row LEFT JOIN "values" ON false LEFT JOIN indices ON false
           ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at"#
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// The column's value. [`Index::LARGEST`] is the largest `int`.
fn column(index: Index) -> i32 {
    index.get().cast_signed()
}

/// The index in a column. An original database may hold negative numbers, which are no indices.
fn index(number: i32) -> Option<Index> {
    Index::from_number(u64::try_from(number).ok()?, Index::LARGEST).ok()
}
