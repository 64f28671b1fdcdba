//! The worker's process.

use std::process::ExitCode;

use worker::config::{WorkerCommand, WorkerConfig};

fn main() -> ExitCode {
    // Before the first thread starts.
    service::memory::share_heap();
    let config = match service::config::read::<WorkerConfig>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    service::process::block_on(async {
        match config.command {
            Some(WorkerCommand::Healthcheck) => {
                let operator = &config.operator;
                service::healthcheck::run(operator.listen_addr, operator.metrics_port, "/health/ready").await
            }
            None => worker::run(config).await,
        }
    })
}
