-- One row, which the apis write to prove that Postgres accepts writes.
CREATE TABLE health (
    id         BOOLEAN PRIMARY KEY CHECK (id),
    checked_at TIMESTAMPTZ NOT NULL
);
