//! Helpers for the whole-system tests in `tests/`.
//!
//! [`Site`] is a running system with an HTTP client for its edge. The system runs as processes
//! ([`LocalSite`]) or in containers ([`Compose`], [`EcsTask`]). [`start_edge`] starts only the
//! edge, and [`chaos`] injects faults under load. `cargo test --workspace` builds server and
//! worker. The first test that starts a [`LocalSite`] builds the page.

mod authority;
mod beanstalk;
mod browser;
pub mod chaos;
mod checkout;
mod collector;
mod contract;
mod docker;
mod ecs;
mod edge;
mod events;
mod managed;
mod observe;
mod site;
mod travis;

pub use authority::Authority;
pub use beanstalk::{BeanstalkOption, beanstalk_options, site_properties, site_template};
pub use browser::{BrowserPage, DESKTOP, ENTER, ESCAPE, EVERY_HOP, PHONE, TAB, row_selector};
pub use checkout::{binaries_dir, output_dir, root};
pub use collector::{Collector, ReceivedSpan};
pub use contract::{check_contract, header_values};
pub use docker::{Compose, Containers, docker};
pub use ecs::{EcsHost, EcsTask};
pub use edge::{edge_config, edited_edge_config, start_echo_server, start_edge};
pub use events::ValueEvents;
pub use managed::ManagedDatabases;
pub use observe::{alerts, dashboard_queries, metric_names};
pub use site::{LocalSite, Site};
pub use stack::eventually;
pub use travis::Travis;
