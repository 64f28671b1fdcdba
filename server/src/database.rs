//! All SQL except the migrations. sqlx checks each statement at compile time against the migrated
//! schema, as recorded in `.sqlx` (`cargo xtask queries` updates it).

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
/// [`ACQUIRE_TIMEOUT`] for a new connection.
const ACCEPTS_WRITES_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection to a read-only server is replaced only at this age. Otherwise, when all servers are
/// read-only, every read would open a new connection.
const MIN_AGE_TO_REPLACE: Duration = Duration::from_millis(500);
/// [`Inserter`] checks its connection again after it was idle for this long: the server may have
/// closed it.
const MAX_UNCHECKED_IDLE: Duration = Duration::from_millis(500);

/// Which page of submissions or indices to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageBounds {
    pub(crate) limit: u32,
    /// Only rows with an id below this one.
    pub(crate) before: Option<i64>,
}

/// An index and the id of its newest submission.
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

/// A pool that connects on first use, so Postgres may start later.
///
/// It closes a connection whose server has become read-only. After a failover, a new connection to
/// the same host name or proxy may reach the new primary.
pub(crate) fn lazy_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A request may take 10 s, so a statement that takes longer is stuck and must release its
        // connection. Behind a pooler, some sessions may lack this setting.
        .after_connect(|connection, _| {
            Box::pin(
                async move { connection.execute("SET statement_timeout = '10s'").await.map(drop) },
            )
        })
        // The check below replaces sqlx's ping and takes as many round trips.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                let accepts_writes =
                    timeout(ACCEPTS_WRITES_TIMEOUT, accepts_writes(connection)).await;
                // Not `Err`: sqlx would log it for every connection during an outage.
                Ok(match accepts_writes {
                    Ok(Ok(accepts_writes)) => accepts_writes || meta.age < MIN_AGE_TO_REPLACE,
                    Ok(Err(_)) | Err(_) => false,
                })
            })
        })
        // sqlx's own ping of a returned connection has no timeout: when Postgres has vanished
        // without closing it, the connection would occupy the pool for as long as TCP retries.
        .after_release(|connection, _| {
            Box::pin(async {
                Ok(matches!(timeout(ACQUIRE_TIMEOUT, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options)
}

/// Whether transactions may write. They may not on a standby, or if the configuration forbids it.
async fn accepts_writes(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT current_setting('transaction_read_only') = 'off' AS "accepts_writes!""#
    )
    .fetch_one(connection)
    .await
}

/// Inserts submissions. It holds a connection of the pool between inserts, because the pool's
/// checks on acquire and release take as many round trips as an insert.
pub(crate) struct Inserter {
    pool: PgPool,
    held: Option<HeldConnection>,
}

struct HeldConnection {
    connection: PoolConnection<Postgres>,
    last_used: Instant,
}

impl Inserter {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, held: None }
    }

    /// Commits submissions in one statement. Returns their ids, in the order of `indices`.
    pub(crate) async fn insert(&mut self, indices: &[Index]) -> sqlx::Result<Vec<i64>> {
        let mut connection = match self.held.take() {
            Some(held) if held.last_used.elapsed() < MAX_UNCHECKED_IDLE => held.connection,
            stale => {
                drop(stale);
                self.pool.acquire().await?
            }
        };
        // After an error, and when this future is dropped, the connection returns to the pool,
        // which checks it.
        let ids = insert(&mut connection, indices).await?;
        self.held = Some(HeldConnection { connection, last_used: Instant::now() });
        Ok(ids)
    }
}

async fn insert(connection: &mut PgConnection, indices: &[Index]) -> sqlx::Result<Vec<i64>> {
    let numbers: Vec<i32> = indices.iter().copied().map(to_column).collect();
    let mut ids = sqlx::query_scalar!(
        r#"INSERT INTO "values" (number)
           SELECT number FROM unnest($1::int[]) WITH ORDINALITY AS given (number, position)
           ORDER BY position
           RETURNING id"#,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    // Ids ascend in the order of insertion, but RETURNING does not guarantee that order.
    ids.sort_unstable();
    Ok(ids)
}

/// Ids of the oldest and of the newest submission.
pub(crate) struct SubmissionIds {
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
}

/// Returns `None` if there are no submissions.
pub(crate) async fn submission_ids(pool: &PgPool) -> sqlx::Result<Option<SubmissionIds>> {
    let ids = sqlx::query!(r#"SELECT min(id) AS oldest, max(id) AS newest FROM "values""#)
        .fetch_one(pool)
        .await?;
    Ok(ids.oldest.zip(ids.newest).map(|(oldest, newest)| SubmissionIds { oldest, newest }))
}

/// Deletes up to `limit` submissions with ids up to `up_to`, the oldest first, and skips locked
/// rows. Returns the number of deleted rows.
pub(crate) async fn delete_submissions(pool: &PgPool, up_to: i64, limit: i64) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        r#"DELETE FROM "values" WHERE id IN (
               SELECT id FROM "values" WHERE id <= $1 ORDER BY id LIMIT $2
               FOR UPDATE SKIP LOCKED)"#,
        up_to,
        limit
    )
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// Reads a page of submissions, oldest first.
pub(crate) async fn submissions(pool: &PgPool, page: PageBounds) -> sqlx::Result<Vec<Submission>> {
    let rows = sqlx::query!(
        r#"SELECT id, number AS "number!",
                  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                      AS "created_at!"
           FROM "values" WHERE id < $1 AND number >= 0 ORDER BY id DESC LIMIT $2"#,
        page.before.unwrap_or(i64::MAX),
        i64::from(page.limit)
    )
    .map(|row| {
        let number = from_column(row.number)?;
        Some(Submission { id: row.id, number, created_at: row.created_at })
    })
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().rev().flatten().collect())
}

/// Reads a page of indices, each once, the most recently submitted first.
pub(crate) async fn known_indices(
    pool: &PgPool,
    page: PageBounds,
) -> sqlx::Result<Vec<KnownIndex>> {
    let rows = sqlx::query!(
        "SELECT number, submissions, newest FROM indices WHERE newest < $1
         ORDER BY newest DESC LIMIT $2",
        page.before.unwrap_or(i64::MAX),
        i64::from(page.limit)
    )
    .map(|row| {
        let index = from_column(row.number)?;
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
        to_column(index)
    )
    .fetch_one(pool)
    .await
}

/// Reads the newest `limit` indices that are at most `max`, each once.
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
    .map(|row| Some(IndexWithId { index: from_column(row.number)?, id: row.newest }))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Reads up to `limit` indices that are not marked as done, in numeric order: those above `after`
/// and at most `max`.
pub(crate) async fn find_missing(
    pool: &PgPool,
    after: Option<Index>,
    limit: i64,
    max: u32,
) -> sqlx::Result<Vec<IndexWithId>> {
    let rows = sqlx::query!(
        "SELECT number, newest FROM indices WHERE NOT done AND number > $1 AND number <= $3
         ORDER BY number LIMIT $2",
        after.map_or(-1, to_column),
        limit,
        max.cast_signed()
    )
    .map(|row| Some(IndexWithId { index: from_column(row.number)?, id: row.newest }))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Marks `indices` as done: their values were seen in Redis. Skips locked rows.
pub(crate) async fn mark_done(pool: &PgPool, indices: &[Index]) -> sqlx::Result<()> {
    let numbers: Vec<i32> = indices.iter().copied().map(to_column).collect();
    sqlx::query!(
        "UPDATE indices SET done = true WHERE number IN (
             SELECT number FROM indices WHERE number = ANY($1) AND NOT done
             ORDER BY number FOR UPDATE SKIP LOCKED)",
        &numbers
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Bytes of the database, with its indexes.
pub(crate) async fn size(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT pg_database_size(current_database()) AS "bytes!""#)
        .fetch_one(pool)
        .await
}

/// Writes a row to prove that Postgres accepts writes and has the tables of all statements.
pub(crate) async fn write_health(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    // While a migration locks a table, this timeout fails the write before the health check's own
    // timeout does, which would mean that Postgres is unavailable. LOCAL, because behind a pooler
    // other clients use the same session.
    transaction.execute("SET LOCAL lock_timeout = '500ms'").await?;
    // The joins match no row, but fail if a table is missing.
    sqlx::query!(
        r#"INSERT INTO health (id, checked_at)
           SELECT true, now() FROM (SELECT) AS one_row
               LEFT JOIN "values" ON false LEFT JOIN indices ON false
           ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at"#
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// The value of an `int` column. It cannot overflow: [`Index::LARGEST`] is the largest `int`.
fn to_column(index: Index) -> i32 {
    index.get().cast_signed()
}

/// `None` for a negative number: an original database may have some.
fn from_column(number: i32) -> Option<Index> {
    Index::from_number(u64::try_from(number).ok()?, Index::LARGEST).ok()
}
