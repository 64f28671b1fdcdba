//! The page: one input, the indices seen and the values calculated, live in every open browser.
//!
//! `state` is what the page knows and is plain logic; `http` alone speaks to the server; `live` keeps the
//! state current; `app` and `components` show it. Nothing here calculates, and the rules of an index are
//! `api`'s, so the page and the server cannot disagree about them.

pub mod app;
mod backoff;
pub mod components;
pub mod http;
pub mod live;
pub mod state;

pub use app::{App, start};
