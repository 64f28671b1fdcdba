//! The binary: reads the configuration, then serves the api or runs a subcommand.

use std::process::ExitCode;

use server::config::{ServerCommand, ServerConfig};
use server::{Server, dead_letters};
use service::{config, healthcheck, process};

fn main() -> ExitCode {
    let config = match config::read::<ServerConfig>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    match &config.command {
        Some(ServerCommand::Healthcheck) => {
            process::block_on(healthcheck::run(config.operator.listen_addr, config.port))
        }
        Some(ServerCommand::DeadLetters(command)) => {
            process::block_on(dead_letters::run(command, &config.redis))
        }
        None => {
            let operator = config.operator.clone();
            process::run("fibonacci-api", &operator, async |metrics| {
                Ok(Server::start(config, metrics).await?.lifecycle)
            })
        }
    }
}
