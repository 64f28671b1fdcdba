//! The api's process. Everything else is in the library.

use std::process::ExitCode;

use server::Server;
use server::config::ServerConfig;

fn main() -> ExitCode {
    let config = match service::config::read::<ServerConfig>() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (operator, port) = (config.operator.clone(), config.port);
    service::process::run(&operator, port, async |metrics| {
        Ok(Server::start(config, metrics).await?.lifecycle)
    })
}
