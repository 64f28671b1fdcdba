//! Builds anew when a migration is added: `sqlx::migrate!` reads the folder and `sqlx.toml`, which
//! the compiler cannot know.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=sqlx.toml");
}
