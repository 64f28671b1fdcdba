//! The api's process. Everything else is in the library.
//!
//! It has no code that a test would want to call.

use std::process::ExitCode;

use server::config::{ServerCommand, ServerConfig};

fn main() -> ExitCode {
    let config = match service::config::read::<ServerConfig>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    service::process::block_on(async {
        match config.command {
            Some(ServerCommand::Healthcheck) => {
                service::healthcheck::run(config.operator.listen_addr, config.port, "/health/ready").await
            }
            None => server::run(config).await,
        }
    })
}
