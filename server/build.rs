//! Builds anew when a migration is added: `sqlx::migrate!` reads the folder, which the compiler
//! cannot know.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
