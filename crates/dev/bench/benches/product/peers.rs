//! The peers: the Node edition and pgbench, with the same Postgres, Redis and rows as ours. GMP is
//! in `engine`. Their sources are in `peers/`; `cargo xtask bench` installs them.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stack::{HttpService, Output, Port, Process, System, is_healthy};

use crate::prepared;

/// A database beside ours.
const DATABASE: &str = "peers";

/// Node starts in a second.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections of pgbench. Each is a process of Postgres; with 256, it inserts half as many rows a
/// second as with 64.
pub(crate) const PGBENCH_CLIENTS: &str = "64";

/// How long pgbench inserts.
const PGBENCH_SECONDS: u32 = 5;

/// The Node edition, not yet started, with a database in which `rows` were submitted.
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
            .dir(prepared("NODE_EDITION")?)
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

/// Single-row inserts a second, each in a transaction of its own.
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
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    let rate =
        said.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench's rate")?;
    Ok(rate.split(' ').next().unwrap_or_default().parse()?)
}
