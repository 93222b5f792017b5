//! How a command fails: an exit code for scripts, a text for people.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The kinds of failure that scripts can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Anything else: the disk, the network, a state that a second try may not meet.
    Other = 1,
    /// Wrong usage or input.
    Input = 2,
    /// The quotas cannot be met, or no certificate was found.
    Refused = 3,
    /// A verification fails, a second draw differs, or a store that is checked is not whole.
    Differs = 4,
}

/// A failed command.
#[derive(Debug)]
pub(super) enum Failure {
    /// It says why.
    Says {
        /// The kind.
        exit: Exit,
        /// For people; may have several lines.
        text: String,
    },
    /// Whoever read standard output wants no more of it (`… | head`): no failure at all.
    ReaderGone,
}

impl Failure {
    /// A failure of kind `exit`.
    pub fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Failure::Says { exit, text: text.to_string() }
    }

    /// Wrong usage or input.
    pub fn input(text: impl fmt::Display) -> Self {
        Failure::new(Exit::Input, text)
    }

    /// Anything else.
    pub fn other(text: impl fmt::Display) -> Self {
        Failure::new(Exit::Other, text)
    }

    /// Writing to standard output failed.
    pub fn stdout(error: io::Error) -> Self {
        // The CSV writer wraps what the stream says.
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<csv::Error>());
        let kind = match inner.map(csv::Error::kind) {
            Some(csv::ErrorKind::Io(inner)) => inner.kind(),
            _ => error.kind(),
        };
        match kind {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::other(format_args!("standard output: {error}")),
        }
    }

    /// Says on standard error what went wrong, and returns the code to exit with.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::ReaderGone => ExitCode::SUCCESS,
            Failure::Says { exit, text } => {
                // Nobody is left to tell if this fails.
                let _ = io::Write::write_all(
                    &mut io::stderr().lock(),
                    format!("spotcheck: {text}\n").as_bytes(),
                );
                ExitCode::from(exit as u8)
            }
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Failure::input(error)
    }
}

impl From<crate::service::server::ServeError> for Failure {
    fn from(error: crate::service::server::ServeError) -> Self {
        Failure::other(error)
    }
}
