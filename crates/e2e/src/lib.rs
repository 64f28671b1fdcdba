//! The whole system, brought up for a test: Postgres, Redis, servers, workers, both nginx and browsers, all real.
//!
//! [`System`] is the parts, [`Compose`] is the same in containers, [`browsers`] are the people who use them, [`eventually`] is how a test waits. The tests
//! themselves are in `tests/`. Nothing here builds our binaries: `cargo test --workspace` and `cargo xtask test` do.

mod artifacts;
mod browser;
mod compose;
mod eventually;
mod system;

pub use artifacts::binary;
pub use browser::{Page, browsers};
pub use compose::{Compose, docker};
pub use eventually::eventually;
pub use system::{Options, System};
