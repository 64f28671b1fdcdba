//! The worker's process: reads the configuration and starts the library, or runs a subcommand.

use std::process::ExitCode;

use service::{config, healthcheck, memory, process};
use worker::config::{WorkerCommand, WorkerConfig};

fn main() -> ExitCode {
    // Must come before the first thread starts.
    memory::share_heap();
    let config = match config::read::<WorkerConfig>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let operator = config.operator.clone();
    match config.command {
        Some(WorkerCommand::Healthcheck) => {
            process::block_on(healthcheck::run(operator.listen_addr, operator.metrics_port))
        }
        None => process::run("fibonacci-worker", &operator, async |metrics| {
            worker::start(config, metrics).await
        }),
    }
}
