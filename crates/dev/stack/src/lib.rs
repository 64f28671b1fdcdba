//! Starts Postgres, Redis, nginx and our own binaries as child processes, for tests, the benchmark
//! and `cargo xtask up`. [`System`] wires them into the whole system. Services get free ports and
//! folders of their own, so that several systems run side by side. Child processes end with the
//! process that started them, even if it is killed.

mod health;
mod network;
mod nginx;
mod output;
mod pid;
mod port;
mod postgres;
mod process;
mod programs;
mod redis;
mod service;
mod system;
pub mod testing;
mod wait;

pub use health::{HttpResponse, http_get, is_healthy, listens};
pub use network::{Certificate, Proxy, slow_reader};
pub use nginx::{NginxOptions, nginx};
pub use output::{Output, lock};
pub use pid::{ProcessMemory, descendants, is_running, memory, proportional_memory, send_signal};
pub use port::{Port, PortTaken};
pub use postgres::{Postgres, PostgresOptions};
pub use process::{Builder, Process};
pub use programs::{find_program, program};
pub use redis::{Redis, RedisOptions};
pub use rustix::process::Signal;
pub use service::{HttpService, Service};
pub use system::{
    AppService, Endpoint, RequestLimits, System, SystemOptions, Variables, client_options,
    edge_options, isolated,
};
#[cfg(feature = "tokio")]
pub use wait::eventually;
pub use wait::{poll, wait_until};
