//! The page: one input, the indices seen and the values calculated, live in every open browser, and the system at work.
//!
//! What the page knows is plain logic, tested without a browser: `model` is all of it, made of `state` (the lists), `journey`
//! (one's own submissions), `times` and `system`; `view` says what is shown for it. `http` and `events` alone speak to the
//! server, in the words of `wire`; `live` keeps the `store` current; `app` and `components` put it into the document. Nothing
//! here calculates, and the rules of an index are `api`'s, so the page and the server cannot disagree about them.

pub mod app;
mod backoff;
pub mod components;
pub mod events;
pub mod http;
pub mod journey;
mod layout;
mod live;
pub mod model;
mod picture;
pub mod route;
mod sorted;
pub mod state;
pub mod store;
pub mod system;
mod text;
pub mod times;
mod view;
pub mod wire;

pub use app::{App, start};
