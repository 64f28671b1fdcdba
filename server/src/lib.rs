//! The api: commits every index to Postgres, queues it in Redis, and serves and streams what is
//! known.
//!
//! Start at `routes` for a request's way in, at `submissions` for an index's way on, at
//! `reconciler` for what happens after a failure.

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
