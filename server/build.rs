//! Rebuilds the crate when a migration or `sqlx.toml` changes: cargo does not track the files that
//! `sqlx::migrate!` reads.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=sqlx.toml");
}
