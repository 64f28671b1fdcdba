//! `cargo xtask bench`: measures the product against its alternatives (GMP, a Node edition,
//! pgbench), with optimised binaries and a Postgres that waits for the disk, and writes
//! BENCHMARKS.md. What is compared is measured in turn, repeatedly, so that other load on the
//! machine affects both. Goals are shown, not enforced.

mod end_to_end;
mod engine;
mod footprint;
mod load;
mod machine;
mod peers;
mod queue_drain;
mod requests;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bench::figure::{self, Figure};
use stack::{Output, SystemOptions};

/// A folder or program that `cargo xtask bench` has set up.
fn prepared(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable);
    path.map(PathBuf::from).with_context(|| format!("{variable} is not set: run cargo xtask bench"))
}

/// As in production: Postgres waits for the disk, and logs are not read as they are written.
fn production() -> SystemOptions {
    SystemOptions { throwaway: false, output: |_| Output::Discarded, ..SystemOptions::default() }
}

/// The first argument that is no option: measure only sections whose names contain it.
fn filter() -> Option<String> {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-'))
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = |section: &str| filter().is_none_or(|filter| section.contains(&filter));
    let mut tables: Vec<(&str, Vec<Figure>)> = Vec::new();
    let mut add = |title, figures: Vec<Figure>| {
        // Shown at once: all sections take more than twenty minutes.
        println!("{}", figure::table(title, &figures));
        tables.push((title, figures));
    };
    if wanted("engine") {
        add("The engine", engine::measure()?);
    }
    if wanted("requests") {
        add("Requests", requests::measure().await?);
    }
    if wanted("end to end") {
        add("End to end", end_to_end::measure().await?);
    }
    if wanted("queue") {
        add("The queue", queue_drain::measure().await?);
    }
    if wanted("footprint") {
        add("Footprint", footprint::measure().await?);
    }
    ensure!(
        !tables.is_empty(),
        "no section has such a name: engine, requests, end to end, queue, footprint"
    );
    if filter().is_none() {
        let path = e2e::root().join("BENCHMARKS.md");
        let report = figure::report(&machine::describe(), &tables);
        std::fs::write(&path, report).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
