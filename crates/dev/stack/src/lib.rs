//! The real parts of the system as child processes: Postgres, Redis, nginx and our own binaries, each on a
//! port of its own. `cargo xtask up` runs them for a person, the tests run them for themselves.
//!
//! Everything here is synchronous, dies with the process that started it (even when that is killed with -9) and
//! is independent of what else runs on the machine. What is deliberately absent: Docker, installing anything
//! (that is xtask's), knowledge of our binaries' settings, and any database or HTTP client worth the name.

mod certificate;
mod error;
mod health;
mod http;
mod keeper;
mod memory;
mod nginx;
mod output;
mod port;
mod postgres;
mod process;
mod processor;
mod programs;
mod proxy;
mod reader;
mod redis;
mod service;
pub mod testing;
mod tree;
mod wait;

pub use certificate::Certificate;
pub use error::Error;
pub use health::answers;
pub use http::{Response, http_get};
pub use memory::memory;
pub use nginx::{Nginx, NginxOptions, render};
pub use output::Output;
pub use port::Port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::{Builder, Identity, Process};
pub use processor::processor_time;
pub use programs::find_program;
pub use proxy::Proxy;
pub use reader::slow_reader;
pub use redis::{Redis, RedisOptions};
pub use rustix::process::Signal;
pub use service::Service;
pub use tree::descendants;
pub use wait::wait_until;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
