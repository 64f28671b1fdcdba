//! The worker's process. Everything else is in the library.

use std::process::ExitCode;

use worker::config::WorkerConfig;

fn main() -> ExitCode {
    // Before the first thread starts.
    service::memory::share_heap();
    let config = match service::config::read::<WorkerConfig>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let operator = config.operator.clone();
    service::process::run(&operator, operator.metrics_port, async |metrics| {
        worker::start(config, metrics).await
    })
}
