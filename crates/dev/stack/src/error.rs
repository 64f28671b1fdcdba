//! What can go wrong while processes are started, watched and stopped, in words for the person at
//! the terminal. An error about a process carries the last lines that it wrote.

use std::{io, ops::Range, path::PathBuf, process::ExitStatus, time::Duration};

/// What went wrong, and with which process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is neither in `PATH` nor where Debian puts it.
    #[error("the program `{program}` is not installed (Debian package: {package})")]
    MissingProgram {
        /// Name of the binary.
        program: String,
        /// Debian package that has it.
        package: &'static str,
    },
    /// Another process listens on the port.
    #[error("port {port} is in use by another process")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// No port could be reserved at all.
    #[error("found no free port between {} and {}", .0.start, .0.end)]
    NoFreePort(Range<u16>),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A process ended although it should have stayed.
    #[error("{name} ended early ({status}); its last lines:\n{log}")]
    EndedEarly {
        /// Name of the process.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its output.
        log: String,
    },
    /// A process runs, but did not become ready in time.
    #[error("{name} was not ready within {timeout:?}; its last lines:\n{log}")]
    NotReady {
        /// Name of the process.
        name: String,
        /// The time limit.
        timeout: Duration,
        /// The last lines of its output.
        log: String,
    },
    /// A command ended with another exit code than 0.
    #[error("`{command}` failed ({status}):\n{log}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its output.
        log: String,
    },
    /// A condition did not hold in time.
    #[error("timed out after {timeout:?} waiting until {what}")]
    Timeout {
        /// The condition.
        what: String,
        /// The time limit.
        timeout: Duration,
    },
    /// The caller cancelled the start.
    #[error("interrupted")]
    Interrupted,
    /// A template names a variable without a value.
    #[error("{}: the variable ${{{variable}}} is not set", template.display())]
    UnsetVariable {
        /// The template's file.
        template: PathBuf,
        /// Name of the variable.
        variable: String,
    },
    /// Postgres refuses to run as root, and there is no user to run it as.
    #[error(
        "Postgres does not run as root and this system has no user `postgres` (Debian package: postgresql)"
    )]
    NoPostgresUser,
}

impl Error {
    /// For `map_err`: names what was being done.
    pub(crate) fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source: source.into() }
    }
}
