//! The page: submit an index, watch its Fibonacci number arrive in every open browser.
//!
//! `pages` has a component for each route, `components` what they are made of. `state` is the store
//! that they share, and `live` keeps it current; `api` speaks HTTP. The rules of an index are those
//! of the crate `contract`, so that page and server cannot disagree.

mod api;
pub mod app;
mod backoff;
mod clipboard;
mod clock;
pub mod components;
mod digit_lines;
mod format;
mod formula;
pub mod live;
pub mod pages;
mod scale;
pub mod state;

pub use app::{App, Page};
