//! The peers of the api: the Node edition, on the same Postgres and Redis and with the same rows,
//! and pgbench. The peer of the engine, GMP, is in `engine`. Sources of peers are in `peers/`;
//! `cargo xtask bench` installs what they need.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stack::{HttpService, Output, Port, Process, System, is_healthy};

use crate::prepared_path;

/// The peers' database, in the same Postgres as ours.
const DATABASE: &str = "peers";

/// Node needs about a second.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of pgbench's connections. Each is a process of Postgres: with 256 of them, pgbench
/// inserts half as many rows per second as with 64.
pub(crate) const PGBENCH_CLIENTS: &str = "64";

/// How long pgbench inserts rows.
const PGBENCH_SECONDS: u32 = 5;

/// The Node edition, not started yet, with a database that has `rows` submissions.
pub(crate) fn node(system: &System, rows: u32) -> Result<HttpService> {
    let postgres = &system.postgres;
    postgres.create_database(DATABASE)?;
    postgres.psql(
        DATABASE,
        &format!(
            "CREATE TABLE values (number INT); INSERT INTO values SELECT generate_series(1, {rows})"
        ),
    )?;
    let port = Port::free()?;
    let builder =
        Process::builder("node", stack::find_program("node").context("Node is not installed")?)
            .arg("server.js")
            .dir(prepared_path("NODE_EDITION")?)
            .env("NODE_ENV", "production")
            .env("PORT", port.number().to_string())
            .env("REDIS_URL", system.redis.url())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", DATABASE)
            .output(Output::Discarded);
    Ok(HttpService::new(builder, port, READY_TIMEOUT, is_healthy))
}

/// Single-row inserts per second, each in a transaction of its own.
pub(crate) fn pgbench(system: &System) -> Result<f64> {
    system.postgres.psql(DATABASE, "CREATE TABLE IF NOT EXISTS pgbench (number INT)")?;
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(
        &script,
        "\\set number random(0, 40)\nINSERT INTO pgbench (number) VALUES (:number);\n",
    )?;
    let pgbench = stack::find_program("pgbench").context("pgbench is not installed")?;
    let output = Command::new(pgbench)
        .args(["--no-vacuum", "--client", PGBENCH_CLIENTS, "--protocol", "prepared"])
        .args([
            "--time",
            &PGBENCH_SECONDS.to_string(),
            "--host",
            "127.0.0.1",
            "--username",
            "postgres",
        ])
        .args(["--port", &system.postgres.port().to_string(), "--file"])
        .arg(script.path())
        .arg(DATABASE)
        .output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    let rate = stdout.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.context("pgbench printed no rate")?;
    Ok(rate.split(' ').next().unwrap_or_default().parse()?)
}
