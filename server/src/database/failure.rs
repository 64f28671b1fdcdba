//! Classifies errors of Postgres by the reaction: wait, migrate, retry, or report to the operator.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostgresFailure {
    /// Postgres cannot be reached, is starting or stopping, or is out of connections or memory.
    Unavailable,
    /// Postgres is a standby or read-only.
    RefusesWrites,
    /// The disk is full: inserts fail. Updates may still succeed, such as the one of the health
    /// check.
    DiskFull,
    /// The database or a table is missing: not migrated yet, dropped, or replaced.
    SchemaMissing,
    /// A deadlock, a serialization failure or a lock timeout.
    Conflict,
    /// A retry cannot help.
    Permanent,
}

impl From<&sqlx::Error> for PostgresFailure {
    fn from(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                Self::Unavailable
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable
            }
            sqlx::Error::Database(error) => Self::from_sqlstate(&error.code().unwrap_or_default()),
            _ => Self::Permanent,
        }
    }
}

impl PostgresFailure {
    /// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn from_sqlstate(code: &str) -> Self {
        match (code, code.get(..2).unwrap_or_default()) {
            // read_only_sql_transaction
            ("25006", _) => Self::RefusesWrites,
            // disk_full
            ("53100", _) => Self::DiskFull,
            // undefined_table, invalid_catalog_name (the database), invalid_schema_name
            ("42P01" | "3D000" | "3F000", _) => Self::SchemaMissing,
            // lock_not_available; transaction rollback, such as a deadlock
            ("55P03", _) | (_, "40") => Self::Conflict,
            // idle_in_transaction_session_timeout, transaction_timeout; the classes connection
            // exception, insufficient resources, operator intervention (starting, stopping, a
            // cancelled statement), system error, and invalid authorization: an operator may
            // correct a password while the api waits.
            ("25P03" | "25P04", _) | (_, "08" | "53" | "57" | "58" | "28") => Self::Unavailable,
            _ => Self::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified_by_sqlstate() {
        for (failure, codes) in [
            (PostgresFailure::Unavailable, "08006 25P03 53300 57P01 57P02 57P03 57014 58030 28P01"),
            (PostgresFailure::RefusesWrites, "25006"),
            (PostgresFailure::DiskFull, "53100"),
            (PostgresFailure::SchemaMissing, "42P01 3D000 3F000"),
            (PostgresFailure::Conflict, "40001 40P01 55P03"),
            (PostgresFailure::Permanent, "42501 42703 42P07 22003 XX000"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(PostgresFailure::from_sqlstate(code), failure, "{code}");
            }
        }
    }
}
