//! The page: submit an index, watch its Fibonacci number arrive in every open browser.
//!
//! `pages` has a component for each route, `components` what they are made of. `state` is the store
//! that they share, and `live` keeps it current; `api` speaks HTTP. The rules of an index are those
//! of the crate `contract`, so that page and server cannot disagree.

pub mod api;
pub mod app;
pub mod backoff;
pub mod clipboard;
pub mod clock;
pub mod components;
pub mod digit_lines;
pub mod format;
pub mod formula;
pub mod live;
pub mod pages;
pub mod scale;
pub mod state;

pub use app::{App, Page};
