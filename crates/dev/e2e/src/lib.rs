//! What the tests of the whole system have in common. The tests themselves are in `tests/`.
//!
//! [`Site`] is a running system and a client of its edge, as processes or in containers
//! ([`Compose`], [`EcsTask`]); [`edge`] is the edge alone; [`chaos`] is load with faults.
//! `cargo test --workspace` builds the binaries, and the first test has the page built.

mod authority;
mod browser;
pub mod chaos;
mod checkout;
mod contract;
mod docker;
mod ecs;
mod edge;
mod events;
mod site;
mod travis;

pub use authority::Authority;
pub use browser::{BrowserPage, DESKTOP, PHONE, row};
pub use checkout::{binaries, folder, root};
pub use contract::{contract, header};
pub use docker::{Compose, Containers, docker};
pub use ecs::{EcsHost, EcsTask};
pub use edge::{edge, edge_config, edited_edge_config, stand_in};
pub use events::ValueEvents;
pub use site::{LocalSite, Site};
pub use stack::eventually;
pub use travis::Travis;
