//! Starts a service's process: runtime, logs, metrics, panic hook. Exit code 0: shut down cleanly;
//! 1: something failed; 2: the configuration is wrong, as one line on stderr says.

use std::future::Future;
use std::process::ExitCode;

use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{OperatorConfig, complain};
use crate::{logs, operator, panic};

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A wrong value, in one line.
    #[error("{0}")]
    Configuration(String),
    /// A port cannot be bound.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Runs `main` on a new runtime. A thread that still blocks at the end (a name being resolved) is
/// abandoned.
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

/// Raises the soft limit of open files to the hard one: the usual 1,024 is for programs that use
/// `select`.
fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, ?maximum, "cannot raise the limit of open files");
    }
}

/// Sets up logs, metrics, the panic hook and the limit of open files, then runs what `build`
/// returns.
pub async fn run<R: Future<Output = ExitCode>>(
    operator: &OperatorConfig,
    build: impl AsyncFnOnce(PrometheusHandle) -> Result<R, StartError>,
) -> ExitCode {
    if let Err(error) = logs::start(operator) {
        return complain(&error.to_string());
    }
    raise_open_files_limit();
    let metrics = match operator::metrics() {
        Ok(metrics) => metrics,
        Err(error) => return complain(&error.to_string()),
    };
    panic::install_hook();
    match build(metrics).await {
        Ok(running) => running.await,
        Err(StartError::Configuration(what)) => complain(&what),
        Err(StartError::Io(error)) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}
