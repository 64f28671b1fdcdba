//! The worker's configuration: one struct, read from the environment. `worker --help` prints this as the reference.
//!
//! It reads no files, and opens nothing: a Redis that is away is waited for while running. A value that cannot be right is
//! refused here, in one line.

use clap::{Parser, Subcommand};
use service::config::{OperatorConfig, RedisConfig};

/// The Fibonacci calculator's worker. Every option can be given as the environment variable of the same name.
#[derive(Parser, Clone, Debug)]
#[command(name = "worker", version)]
pub struct Config {
    /// What to do instead of working
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Jobs calculated beside each other; as many as there are cores when not given
    #[arg(long, env, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub worker_lanes: Option<u16>,
    /// The highest index taken over from an original server's announcement
    #[arg(long, env, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(..=i64::from(contract::Index::LARGEST)))]
    pub max_index: u32,
    /// Jobs in the queue beyond which an original server's announcements are left to it
    #[arg(long, env, default_value_t = 10_000)]
    pub max_queue: usize,
    /// Where Redis is
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Logs and the operator's port
    #[command(flatten)]
    pub operator: OperatorConfig,
}

/// What the binary can do besides working.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum Command {
    /// Ask the worker on this host whether it is ready; exit code 0 when it is
    Healthcheck,
}
