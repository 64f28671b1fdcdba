//! Every SQL statement there is, as functions over the pool. Postgres is the truth: what was ever submitted.
//!
//! Statements are checked against the migrated schema when the crate is compiled (`.sqlx` holds what Postgres
//! said). Nothing here knows HTTP or Redis.

use std::time::{Duration, Instant};

use contract::{Index, KnownIndex, Submission};
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

/// The schema, one file a step.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!();

/// Longest wait for a connection: a request is told that Postgres is away rather than kept waiting.
const ACQUIRE: Duration = Duration::from_secs(2);

/// A connection that was not used for longer may be gone without our knowing.
const KEPT: Duration = Duration::from_millis(500);

/// An index and its newest submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) index: Index,
    pub(crate) id: i64,
}

/// Where Postgres is, for a log: host, port and database, no password.
pub(crate) fn address(pool: &PgPool) -> String {
    let options = pool.connect_options();
    let database = options.get_database().unwrap_or_default();
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

/// A pool that connects when it is used, so that Postgres may come up later.
pub(crate) fn connect(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // The pool's own look at a connection that comes back has no bound: one whose Postgres vanished without a word
        // would keep its place for as long as TCP goes on trying.
        .after_release(|connection, _| {
            Box::pin(async {
                match tokio::time::timeout(ACQUIRE, connection.ping()).await {
                    Ok(alive) => alive.map(|()| true),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        })
        .connect_lazy_with(options)
}

/// Where submissions are committed: one connection, kept from statement to statement, because the pool's looks at one that is
/// taken and given back would take as many round trips again as the statement itself.
pub(crate) struct Submitting {
    pool: PgPool,
    kept: Option<(PoolConnection<Postgres>, Instant)>,
}

impl Submitting {
    /// Connects when it is used.
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, kept: None }
    }

    /// Commits submissions in one statement; their ids, in the order of `indices`.
    pub(crate) async fn insert(&mut self, indices: &[Index]) -> sqlx::Result<Vec<i64>> {
        let mut connection = match self.kept.take() {
            Some((connection, used)) if used.elapsed() < KEPT => connection,
            stale => {
                drop(stale);
                self.pool.acquire().await?
            }
        };
        // After an error, and when this is given up, it goes back to the pool, which has a look at it.
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
    // Ids were given in the order of the rows; RETURNING does not promise to keep it.
    ids.sort_unstable();
    Ok(ids)
}

/// The newest `limit` submissions with an id below `before`, oldest first.
pub(crate) async fn submissions(pool: &PgPool, before: i64, limit: i64) -> sqlx::Result<Vec<Submission>> {
    let mut rows = sqlx::query!(
        r#"SELECT id, number AS "number!",
                  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!"
           FROM "values" WHERE id < $1 AND number >= 0 ORDER BY id DESC LIMIT $2"#,
        before,
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.reverse();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Submission { id: row.id, number: index(row.number)?, created_at: row.created_at })
        })
        .collect())
}

/// Up to `limit` indices, each once, whose newest submission has an id below `before`; the newest first.
pub(crate) async fn known(pool: &PgPool, before: i64, limit: i64) -> sqlx::Result<Vec<KnownIndex>> {
    let rows = sqlx::query!(
        "SELECT number, submissions, newest FROM indices WHERE newest < $1 ORDER BY newest DESC LIMIT $2",
        before,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let index = index(row.number)?;
            Some(KnownIndex { index, submissions: row.submissions, newest: row.newest })
        })
        .collect())
}

/// Whether anybody ever submitted `index`.
pub(crate) async fn is_submitted(pool: &PgPool, index: Index) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM indices WHERE number = $1) AS "exists!""#,
        column(index)
    )
    .fetch_one(pool)
    .await
}

/// The newest `limit` indices, each once, that are not above `max`.
pub(crate) async fn newest(pool: &PgPool, limit: i64, max: u32) -> sqlx::Result<Vec<Newest>> {
    let rows = sqlx::query!(
        "SELECT number, newest FROM indices WHERE number <= $2 ORDER BY newest DESC LIMIT $1",
        limit,
        max.cast_signed()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some(Newest { index: index(row.number)?, id: row.newest }))
        .collect())
}

/// Up to `limit` indices above `after`, not above `max`, whose value was never seen, in numeric order.
pub(crate) async fn owed(
    pool: &PgPool,
    after: Option<Index>,
    limit: i64,
    max: u32,
) -> sqlx::Result<Vec<Newest>> {
    let rows = sqlx::query!(
        "SELECT number, newest FROM indices WHERE NOT done AND number > $1 AND number <= $3
         ORDER BY number LIMIT $2",
        after.map_or(-1, column),
        limit,
        max.cast_signed()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some(Newest { index: index(row.number)?, id: row.newest }))
        .collect())
}

/// Notes that the values of `indices` were seen. Rows that somebody else is writing are left for the next time.
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

/// Whether Postgres answers.
pub(crate) async fn ping(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query!("SELECT 1 AS one").fetch_one(pool).await?;
    Ok(())
}

/// An index as the column has it. An index is never above [`Index::LARGEST`], the largest `int`.
fn column(index: Index) -> i32 {
    index.get().cast_signed()
}

/// A number of the column as an index; the table may hold negative ones that are not ours.
fn index(number: i32) -> Option<Index> {
    Index::from_number(u64::try_from(number).ok()?, Index::LARGEST).ok()
}
