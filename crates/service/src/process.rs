//! Starts a service's process: runtime, logs, metrics, panic hook. Exit code 0: shut down cleanly;
//! 1: something failed; 2: the configuration is wrong, as one line on stderr says.

use std::process::ExitCode;

use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{OperatorConfig, report_misconfiguration};
use crate::lifecycle::Lifecycle;
use crate::{logs, operator, panic};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A wrong value, in one line.
    #[error("{0}")]
    Configuration(String),
    /// A port cannot be bound.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Sets up logs, metrics, the panic hook and the limit of open files, then runs what `start`
/// starts.
pub fn run(
    operator: &OperatorConfig,
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    run_command(run_service(operator, start))
}

/// Runs a command of the binary that ends by itself.
pub fn run_command(command: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(command);
    // Abandons a thread that still blocks: a name is being resolved.
    runtime.shutdown_background();
    code
}

async fn run_service(
    operator: &OperatorConfig,
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    let started = async {
        logs::start(operator)?;
        raise_open_files_limit();
        let metrics = operator::metrics();
        panic::install_hook();
        start(metrics).await
    };
    match started.await {
        Ok(lifecycle) => lifecycle.run().await,
        Err(StartError::Configuration(what)) => report_misconfiguration(&what),
        Err(StartError::Io(error)) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Raises the soft limit of open files to the hard one: the usual 1,024 is for programs that use
/// `select`.
fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, ?maximum, "cannot raise the limit of open files");
    }
}
