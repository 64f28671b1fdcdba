//! Everything that can go wrong while parts are started, watched and stopped, in words for the person at the
//! terminal. An error about a process carries the last lines it wrote, because that is where the reason is.
//!
//! There is no second face for users: whoever reads these runs the tests, or `cargo xtask`.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// What went wrong, and with which part.
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
    /// Somebody else listens on the port that was asked for.
    #[error("port {port} is in use by another process")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// No port could be reserved at all.
    #[error("found no free port between {} and {}", .0.start, .0.end)]
    NoFreePort(std::ops::Range<u16>),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
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
    #[error("{name} was not ready within {bound:?}; its last lines:\n{log}")]
    NotReady {
        /// Name of the process.
        name: String,
        /// How long was waited.
        bound: Duration,
        /// The last lines of its output.
        log: String,
    },
    /// A command that should do its work and end failed.
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
    #[error("waited {bound:?} in vain until {what}")]
    Timeout {
        /// The condition, as the end of "waited until …".
        what: String,
        /// How long was waited.
        bound: Duration,
    },
    /// A template names a variable that the caller did not give.
    #[error("{}: the variable ${{{variable}}} is not set", template.display())]
    UnsetVariable {
        /// The template's file.
        template: PathBuf,
        /// Name of the variable.
        variable: String,
    },
    /// Postgres refuses to run as root, and there is nobody else to run it as.
    #[error(
        "Postgres does not run as root and this system has no user `postgres` (Debian package: postgresql)"
    )]
    NoPostgresUser,
}

impl Error {
    /// For `map_err`: names what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}
