//! Runs a service's process: runtime, logs, metrics, panic hook. The exit code is 0 after a clean
//! shutdown, 1 after a failure, and 2 after a configuration error, which is one line on stderr.

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
    /// For example, a port is in use.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Sets up logs, metrics, the panic hook and the limit on open files, then starts the service with
/// `start` and runs its life cycle.
pub fn run(
    operator: &OperatorConfig,
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    block_on(run_service(operator, start))
}

/// Runs `main`, such as the subcommand `healthcheck`, on a new tokio runtime.
pub fn block_on(main: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the tokio runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(main);
    // Does not wait for blocking tasks, such as a DNS lookup.
    runtime.shutdown_background();
    code
}

async fn run_service(
    operator: &OperatorConfig,
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    let startup = async {
        logs::start(operator)?;
        raise_open_files_limit();
        let metrics = operator::install_metrics_recorder();
        panic::install_hook();
        start(metrics).await
    };
    match startup.await {
        Ok(lifecycle) => lifecycle.run().await,
        Err(StartError::Configuration(problem)) => report_misconfiguration(&problem),
        Err(StartError::Io(error)) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Raises the soft limit on open files to the hard limit. The soft limit is usually 1,024, because
/// select(2) does not support more.
fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, ?maximum, "cannot raise the limit on open files");
    }
}
