//! The api's process. Everything else is in the library.

use std::process::ExitCode;

use server::config::{Command, Config};

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
                service::healthcheck::run(config.operator.listen_addr, config.port, "/health/ready").await
            }
            None => server::run(config).await,
        }
    });
    // A thread that still waits for a name to be resolved must not hold up the end.
    runtime.shutdown_background();
    code
}
