//! What we are measured against: the Node edition and pgbench, on the same Postgres and the same Redis. GMP is in `engine`.
//!
//! They get what ours get: as many connections, the same rows, the same Postgres and Redis. What they are made of is in
//! `peers/`, and `cargo xtask bench` installs it: nothing is installed here.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::System;
use stack::{Output, Port, Process, Service};

use crate::load::CONNECTIONS;
use crate::prepared;

/// The database of both: ours stays as it is.
const DATABASE: &str = "peers";

/// Starting takes Node a second.
const READY: Duration = Duration::from_secs(30);

/// How long pgbench inserts.
const SECONDS: u32 = 5;

/// The Node edition, not running yet, with a database of its own in which `rows` were submitted.
pub(crate) fn node(system: &System, rows: u32) -> Result<(Service, u16)> {
    let postgres = system.postgres();
    postgres.create_database(DATABASE)?;
    postgres.psql(
        DATABASE,
        &format!("CREATE TABLE values (number INT); INSERT INTO values SELECT generate_series(1, {rows})"),
    )?;
    let port = Port::free()?;
    let number = port.number();
    let builder = Process::builder("node", stack::find_program("node").context("Node is not installed")?)
        .arg("server.js")
        .dir(prepared("NODE_EDITION")?)
        .env("NODE_ENV", "production")
        .env("PORT", number.to_string())
        .env("REDIS_URL", system.redis().url())
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", postgres.port().to_string())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", DATABASE)
        .output(Output::discarded());
    let ready = move || {
        // The port lives as long as the check.
        let _ = &port;
        stack::http_get(&format!("http://127.0.0.1:{number}/")).is_ok_and(|answer| answer.status == 200)
    };
    Ok((Service::new(builder, READY, ready), number))
}

/// Single-row inserts a second, each in a transaction of its own, over as many connections as requests come on.
pub(crate) fn pgbench(system: &System) -> Result<f64> {
    system.postgres().psql(DATABASE, "CREATE TABLE IF NOT EXISTS pgbench (number INT)")?;
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(&script, "\\set number random(0, 40)\nINSERT INTO pgbench (number) VALUES (:number);\n")?;
    let pgbench = stack::find_program("pgbench").context("pgbench is not installed")?;
    let output = Command::new(pgbench)
        .args(["--no-vacuum", "--client", &CONNECTIONS.to_string(), "--protocol", "prepared"])
        .args(["--time", &SECONDS.to_string(), "--host", "127.0.0.1", "--username", "postgres"])
        .args(["--port", &system.postgres().port().to_string(), "--file"])
        .arg(script.path())
        .arg(DATABASE)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench's rate")?;
    Ok(rate.split(' ').next().unwrap_or_default().parse()?)
}
