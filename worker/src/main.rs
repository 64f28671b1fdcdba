//! The worker's process. Everything else is in the library.

use std::process::ExitCode;

use worker::config::{Command, Config};

fn main() -> ExitCode {
    let config = match service::config::read::<Config>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match config.command {
            Some(Command::Healthcheck) => {
                let operator = &config.operator;
                service::healthcheck::run(operator.listen_addr, operator.metrics_port, "/health/ready").await
            }
            None => worker::run(config).await,
        }
    });
    // A calculation cannot be interrupted. Its job has been given back; the process does not wait for it.
    runtime.shutdown_background();
    code
}
