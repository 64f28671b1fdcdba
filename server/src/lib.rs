//! The api: commits every submitted index to Postgres, queues it in Redis, serves the values, and
//! streams events about them.
//!
//! Start reading at `routes` for the handlers, at `submissions` for how an index is committed and
//! queued, and at `reconciler` for how the data in Redis is rebuilt.

mod broadcast;
pub mod config;
mod database;
pub mod dead_letters;
mod document;
mod error;
mod extract;
mod layers;
mod lists;
mod memory_budget;
mod metrics;
mod migrations;
mod postgres_health;
mod pruner;
mod queue_poller;
mod reconciler;
mod request_id;
mod routes;
mod server;
mod shared_read;
mod state;
mod submissions;

pub use server::Server;
