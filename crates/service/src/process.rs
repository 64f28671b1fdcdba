//! Runs a service's process: runtime, logs, metrics, panic hook. The exit code is 0 after a clean
//! shutdown, 1 after a failure, and 2 after a configuration error, which is one line on stderr.

use std::process::ExitCode;

use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{OperatorConfig, report_misconfiguration};
use crate::lifecycle::Lifecycle;
use crate::traces::Traces;
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

/// Sets up logs, traces, metrics, the panic hook and the limit on open files, then starts the
/// service with `start` and runs its life cycle. `name` is the service's name in traces.
pub fn run(
    name: &'static str,
    operator: &OperatorConfig,
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    let traces = match start_telemetry(name, operator) {
        Ok(traces) => traces,
        Err(error) => return report(error),
    };
    let code = block_on(run_service(start));
    if let Some(traces) = traces {
        traces.flush();
    }
    code
}

fn start_telemetry(
    name: &'static str,
    operator: &OperatorConfig,
) -> Result<Option<Traces>, StartError> {
    let traces = Traces::start(name, &operator.traces)?;
    logs::start(operator, traces.as_ref())?;
    Ok(traces)
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
    start: impl AsyncFnOnce(PrometheusHandle) -> Result<Lifecycle, StartError>,
) -> ExitCode {
    let startup = async {
        raise_open_files_limit();
        let metrics = operator::install_metrics_recorder();
        panic::install_hook();
        start(metrics).await
    };
    match startup.await {
        Ok(lifecycle) => lifecycle.run().await,
        Err(error) => report(error),
    }
}

fn report(error: StartError) -> ExitCode {
    match error {
        StartError::Configuration(problem) => report_misconfiguration(&problem),
        StartError::Io(error) => {
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
