//! What the processes of all services do alike: a runtime, logs, metrics, and an exit code that says how it ended.
//!
//! Exit code 0: told to stop, and everything was done. 1: something broke. 2: the configuration is wrong, and one line
//! says how.

use std::future::Future;
use std::process::ExitCode;

use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{OperatorConfig, complain};
use crate::{logs, operator};

/// Why a service cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What the operator has to change, in one line.
    #[error("{0}")]
    Configuration(String),
    /// A port is taken, or not ours to take.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Runs `main` on a runtime of its own. What still blocks a thread when it ends (a name being resolved) is not waited for.
pub fn block_on(main: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(main);
    runtime.shutdown_background();
    code
}

/// As many open connections as this process may have at all: the limit that shells and init systems set (1,024) is meant for
/// programs that know no better. A bound of our own refuses what is too much.
fn allow_connections() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, ?maximum, "cannot raise the limit of open files");
    }
}

/// Starts logs and metrics, puts the service together with `build`, and runs what that returns.
pub async fn run<R: Future<Output = ExitCode>>(
    operator: &OperatorConfig,
    build: impl AsyncFnOnce(PrometheusHandle) -> Result<R, StartError>,
) -> ExitCode {
    if let Err(error) = logs::start(operator) {
        return complain(&error.to_string());
    }
    allow_connections();
    let metrics = match operator::metrics() {
        Ok(metrics) => metrics,
        Err(error) => return complain(&error.to_string()),
    };
    match build(metrics).await {
        Ok(running) => running.await,
        Err(StartError::Configuration(what)) => complain(&what),
        Err(StartError::Io(error)) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}
