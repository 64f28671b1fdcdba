//! Runs a service's process: runtime, logs, metrics, panic hook. The exit code is 0 after a clean
//! shutdown, 1 after a failure, and 2 if the configuration is wrong, which one line on stderr
//! explains.

use std::process::ExitCode;

use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{OperatorConfig, report_misconfiguration};
use crate::lifecycle::Lifecycle;
use crate::{logs, operator, panic};

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One line that says which value is wrong.
    #[error("{0}")]
    Configuration(String),
    /// Such as a port that is in use.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Sets up logs, metrics, the panic hook and the limit of open files, then starts the service with
/// `start` and runs its life cycle.
pub fn run(
    operator: &OperatorConfig,
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    run_command(run_service(operator, start))
}

/// Runs a subcommand, such as `healthcheck`.
pub fn run_command(command: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(command);
    // Does not wait for blocking threads, such as one that resolves a name.
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
        let metrics = operator::install_metrics_recorder();
        panic::install_hook();
        start(metrics).await
    };
    match started.await {
        Ok(lifecycle) => lifecycle.run().await,
        Err(StartError::Configuration(problem)) => report_misconfiguration(&problem),
        Err(StartError::Io(error)) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Raises the soft limit of open files to the hard limit. The soft limit is usually 1,024, for
/// programs that use `select`.
fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, ?maximum, "cannot raise the limit of open files");
    }
}
