//! The page: submit an index, watch its Fibonacci number arrive in every open browser.
//!
//! `pages` has a component for each route, `components` what they are made of. `state` is the store
//! that they share, and `live` keeps it current; `api` speaks HTTP. The rules of an index are those
//! of the crate `contract`, so that page and server cannot disagree.

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
pub use state::{LinkStatus, PageState, PageStateStoreFields, apply_events, apply_lists};
