//! `cargo xtask bench`: the product, measured against what a user would take instead, in one run on one machine.
//!
//! Everything is real: GMP, a Node edition, pgbench, the optimised binaries, one Postgres that waits for the disk, one Redis.
//! What is compared is measured in turn, again and again, and medians are compared, so that whatever else the machine does
//! meanwhile meets both. What comes out is a table in BENCHMARKS.md. Nothing here decides anything: goals are shown, not
//! enforced.

mod end_to_end;
mod engine;
mod figure;
mod footprint;
mod load;
mod machine;
mod peers;
mod queue_drain;
mod requests;

use std::path::PathBuf;

use anyhow::{Context, Result};

use figure::Figure;

/// A folder or program that `cargo xtask bench` has prepared.
fn prepared(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable);
    path.map(PathBuf::from).with_context(|| format!("{variable} is not set: run cargo xtask bench"))
}

/// Which figures are wanted: those whose section's name contains the first argument; all without one.
fn wanted(section: &str) -> bool {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    filter.is_none_or(|filter| section.contains(&filter))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut tables: Vec<(&str, Vec<Figure>)> = Vec::new();
    if wanted("engine") {
        tables.push(("The engine", engine::measure()?));
    }
    if wanted("requests") {
        tables.push(("Requests", requests::measure().await?));
    }
    if wanted("end to end") {
        tables.push(("End to end", end_to_end::measure().await?));
    }
    if wanted("queue") {
        tables.push(("The queue", queue_drain::measure().await?));
    }
    if wanted("footprint") {
        tables.push(("Footprint", footprint::measure()?));
    }
    let report = figure::report(&machine::describe(), &tables);
    println!("{report}");
    if std::env::args().nth(1).is_none_or(|first| first == "--bench") && std::env::args().count() <= 2 {
        let path = e2e::root().join("BENCHMARKS.md");
        std::fs::write(&path, report).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
