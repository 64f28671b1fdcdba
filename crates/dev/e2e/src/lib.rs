//! The whole system, brought up for a test: Postgres, Redis, servers, workers, both nginx and browsers, all real.
//!
//! [`System`] is the parts, [`Compose`] is the same in containers, [`Travis`] and [`Task`] are how it gets to a server and
//! runs there; [`edge`] is one part alone; [`chaos`] harms it; [`browsers`] are the people who use it, [`contract`] is what
//! they count on, [`eventually`] is how a test waits. The tests themselves are in `tests/`. Nothing here builds our
//! binaries: `cargo test --workspace` and `cargo xtask test` do.

mod artifacts;
mod authority;
mod browser;
pub mod chaos;
mod compose;
mod containers;
mod contract;
mod ecs;
mod edge;
mod eventually;
mod system;
mod travis;

pub use artifacts::{binary, folder, root};
pub use authority::Authority;
pub use browser::{Page, browsers};
pub use compose::{Compose, docker};
pub use containers::Containers;
pub use contract::{contract, header};
pub use ecs::{Server, Task};
pub use edge::{edge, stand_in, template};
pub use eventually::eventually;
pub use system::{Options, REDIS_MEMORY, System};
pub use travis::Travis;
