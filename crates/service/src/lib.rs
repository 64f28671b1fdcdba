//! What api and worker share: configuration, logs, traces, life cycle, HTTP server, metrics, health
//! check and memory.

#![warn(missing_docs)]

mod backoff;
pub mod config;
pub mod healthcheck;
pub mod http;
pub mod lifecycle;
pub mod logs;
pub mod memory;
pub mod operator;
pub mod panic;
pub mod process;
pub mod traces;

pub use backoff::RECONNECT;
