//! The page: submit an index, watch its Fibonacci number arrive in every open browser.
//!
//! `pages` has a component for each route, and `components` has their parts. They share the store
//! in `state`, which `live` keeps current. `api` sends the HTTP requests. The page and the server
//! take the rules of an index from the crate `contract`.

#![expect(unreachable_pub, reason = "Leptos makes a public function of each component")]

mod api;
mod app;
mod clock;
mod components;
mod digit_lines;
mod focus;
mod format;
mod formula;
mod live;
mod pages;
mod state;

pub use api::RequestError;
pub use app::{App, Page};
pub use live::parse_event;
pub use state::lists::FetchedLists;
pub use state::{ConnectionStatus, PageState, PageStateStoreFields, apply_events, apply_lists};
