//! The worker's configuration. `worker --help` is the reference.

use clap::{Parser, Subcommand};
use service::config::{OperatorConfig, RedisConfig};

/// The Fibonacci calculator's worker. Every option can be set by the environment variable of the
/// same name.
#[derive(Parser, Clone, Debug)]
#[command(name = "worker", version)]
pub struct WorkerConfig {
    /// What to do instead of calculating
    #[command(subcommand)]
    pub command: Option<WorkerCommand>,
    /// Number of calculations that run at the same time; by default the number of cores
    #[arg(long, env, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub worker_threads: Option<u16>,
    /// Former name of WORKER_THREADS
    #[arg(long, env, hide = true, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub worker_lanes: Option<u16>,
    /// The highest index accepted from the announcements of an original server
    #[arg(
        long,
        env,
        default_value_t = 10_000_000,
        value_parser = clap::value_parser!(u32).range(..=i64::from(contract::Index::LARGEST))
    )]
    pub max_index: u32,
    /// Maximum number of jobs in the queue, divided between the job classes as by the api's
    /// MAX_QUEUE. The worker ignores an original server's announcement when its class is full
    #[arg(long, env, default_value_t = 10_000)]
    pub max_queue: usize,
    #[command(flatten)]
    pub redis: RedisConfig,
    #[command(flatten)]
    pub operator: OperatorConfig,
}

#[derive(Subcommand, Clone, Copy, Debug)]
pub enum WorkerCommand {
    /// Check whether the worker on this host is ready; exit code 0 if it is
    Healthcheck,
}

impl WorkerConfig {
    /// Number of calculations that run at the same time.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.worker_threads.or(self.worker_lanes).map_or_else(cores, usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_lanes_still_sets_the_number_of_threads() {
        let threads = |arguments: &[&str]| {
            WorkerConfig::parse_from([&["worker"], arguments].concat()).threads()
        };
        assert_eq!(threads(&["--worker-lanes", "3"]), 3);
        assert_eq!(threads(&["--worker-lanes", "3", "--worker-threads", "2"]), 2);
    }
}
