//! Builds anew when a migration is added: `sqlx::migrate!` reads the folder, which the compiler cannot know.
//!
//! It does nothing else: the page and everything that takes time is built by `cargo xtask`.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
