//! The api: commits every index to Postgres, queues it in Redis, answers and streams what is known.
//!
//! `routes` speaks HTTP; `error` alone knows status codes; `database` alone speaks SQL; `submissions` commits and
//! queues in groups; `shared_read` reads once for many; `relay` turns the results channel into events; `reconcile` repairs what Redis lost.
//! Which Redis keys there are, only the crate `queue` knows.

mod application;
pub mod config;
mod database;
mod error;
mod gauges;
mod meters;
mod observe;
mod reconcile;
mod relay;
mod room;
mod routes;
mod shared_read;
mod state;
mod submissions;

pub use application::{Application, run};
