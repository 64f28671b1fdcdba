//! The page: submit an index, and watch its Fibonacci number arrive in every open browser.
//!
//! `pages` has a component for each route, and `components` has their parts. They share the store
//! in `state`, which `live` keeps current. `api` sends the HTTP requests. The crate `contract`
//! validates an index, here and in the server.
//!
//! `main.rs` mounts [`App`]. The other exports are for the tests in `tests/page.rs`.

#![expect(unreachable_pub, reason = "`#[component]` generates a public function")]

mod api;
mod app;
mod clock;
mod components;
mod compose;
mod digit_lines;
mod focus;
mod format;
mod formula;
mod live;
mod media;
mod pages;
mod state;

pub use api::RequestError;
pub use app::{App, Page};
pub use live::parse_event;
pub use state::lists::FetchedLists;
pub use state::{ConnectionStatus, PageState, PageStateStoreFields, apply_events, apply_lists};
