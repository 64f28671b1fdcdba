//! The worker's configuration, read from the environment. `worker --help` prints it as the
//! reference.

use clap::{Parser, Subcommand};
use service::config::{OperatorConfig, RedisConfig};

/// The Fibonacci calculator's worker. Every option can be given as the environment variable of the
/// same name.
#[derive(Parser, Clone, Debug)]
#[command(name = "worker", version)]
pub struct WorkerConfig {
    /// What to do instead of working
    #[command(subcommand)]
    pub command: Option<WorkerCommand>,
    /// Calculations at the same time; the number of cores by default
    #[arg(long, env, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub worker_threads: Option<u16>,
    /// Former name of WORKER_THREADS
    #[arg(long, env, hide = true, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub worker_lanes: Option<u16>,
    /// The highest index accepted from the announcements of an original server
    #[arg(long, env, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(..=i64::from(contract::Index::LARGEST)))]
    pub max_index: u32,
    /// Jobs in the queue at most, shared between the classes as in the server's MAX_QUEUE. An
    /// announcement of an original server beyond the share of its class is ignored
    #[arg(long, env, default_value_t = 10_000)]
    pub max_queue: usize,
    #[command(flatten)]
    pub redis: RedisConfig,
    #[command(flatten)]
    pub operator: OperatorConfig,
}

/// What the binary can do besides working.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum WorkerCommand {
    /// Ask the worker on this host whether it is ready; exit code 0 if it is
    Healthcheck,
}

impl WorkerConfig {
    /// Number of calculations at the same time.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.worker_threads.or(self.worker_lanes).map_or_else(cores, usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_former_name_of_worker_threads_still_works() {
        let threads = |arguments: &[&str]| {
            WorkerConfig::parse_from([&["worker"], arguments].concat()).threads()
        };
        assert_eq!(threads(&["--worker-lanes", "3"]), 3);
        assert_eq!(threads(&["--worker-lanes", "3", "--worker-threads", "2"]), 2);
    }
}
