//! `cargo xtask bench`: measures the product against its alternatives (GMP, a Node edition,
//! pgbench), with optimised binaries and a Postgres that waits for the disk, and writes
//! BENCHMARKS.md. Ours and the peer are measured in turn, repeatedly, so that other load on the
//! machine affects both. A missed goal is shown, but is not a failure.

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

/// The path of a program or directory that `cargo xtask bench` has set up.
fn prepared_path(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable);
    path.map(PathBuf::from).with_context(|| format!("{variable} is not set: run cargo xtask bench"))
}

/// As in production: Postgres waits for the disk. Nothing reads the logs during a measurement.
fn production() -> SystemOptions {
    SystemOptions { throwaway: false, output: |_| Output::Discarded, ..SystemOptions::default() }
}

/// The first argument that is not an option. Only sections whose names contain it are measured.
fn section_filter() -> Option<String> {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-'))
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = |section: &str| section_filter().is_none_or(|filter| section.contains(&filter));
    let mut tables: Vec<(&str, Vec<Figure>)> = Vec::new();
    let mut add = |title, figures: Vec<Figure>| {
        // Printed at once, because all sections take more than twenty minutes.
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
        "no section has this name; there are: engine, requests, end to end, queue, footprint"
    );
    if section_filter().is_none() {
        let path = e2e::root().join("BENCHMARKS.md");
        let report = figure::report(&machine::describe(), &tables);
        std::fs::write(&path, report).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
