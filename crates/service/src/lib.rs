//! What both services need and neither should write twice: reading the configuration, logs, the life cycle of a
//! process, the operator's port with health and metrics, the health check that asks it, and memory when idle.
//!
//! It deliberately knows nothing of Fibonacci numbers, Postgres or Redis keys.

mod backoff;
pub mod config;
pub mod healthcheck;
pub mod http;
pub mod lifecycle;
pub mod logs;
pub mod memory;
pub mod operator;
pub mod process;

pub use backoff::Backoff;
