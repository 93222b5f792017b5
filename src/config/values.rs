//! How the texts of settings are read. Errors say what would be right.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which log lines are written: those of this level and above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// None.
    Off,
    /// What failed and should not have.
    Error,
    /// What may fail soon.
    Warn,
    /// Every call.
    Info,
    /// Health checks, too.
    Debug,
    /// Everything.
    Trace,
}

/// A file or a directory.
///
/// # Errors
/// If the text is empty.
pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a path".into()) } else { Ok(text.into()) }
}

/// A text that says something.
///
/// # Errors
/// If it is empty.
pub fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a text".into()) } else { Ok(text.to_owned()) }
}

/// Yes or no.
///
/// # Errors
/// If it is neither `true` nor `false`.
pub fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false".into())
}

/// An address with a port.
///
/// # Errors
/// If it is none; names of hosts are not looked up.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port, e.g. 127.0.0.1:50051 or [::1]:50051".into())
}

/// An address that is spoken to in plain text.
///
/// # Errors
/// If it is none.
pub fn collector(text: &str) -> Result<SocketAddr, String> {
    let address = text.strip_prefix("http://").and_then(|rest| rest.parse().ok());
    address
        .ok_or_else(|| "http:// with an IP address and a port, e.g. http://127.0.0.1:4317".into())
}

/// A number of threads.
///
/// # Errors
/// If it is none from 1 to 1024.
pub fn threads(text: &str) -> Result<usize, String> {
    integer(text, 1, 1024).map(|threads| threads as usize)
}

/// How many calls of a client may be open.
///
/// # Errors
/// If it is no number from 1 to 100000.
pub fn client_calls(text: &str) -> Result<usize, String> {
    integer(text, 1, 100_000).map(|calls| calls as usize)
}

/// How many calls a client may make in a second.
///
/// # Errors
/// If it is no number from 1 to 1000000.
pub fn client_rate(text: &str) -> Result<NonZeroU32, String> {
    let range = "a whole number from 1 to 1000000";
    NonZeroU32::new(integer(text, 1, 1_000_000)?).ok_or_else(|| range.to_owned())
}

/// How many connections there may be.
///
/// # Errors
/// If it is no number from 1 to 100000.
pub fn connections(text: &str) -> Result<usize, String> {
    integer(text, 1, 100_000).map(|connections| connections as usize)
}

/// How long a stream may stand still.
///
/// # Errors
/// If it is no number of seconds from 1 to 3600.
pub fn idle(text: &str) -> Result<Duration, String> {
    integer(text, 1, 3600).map(|seconds| Duration::from_secs(seconds.into()))
}

/// The time that open calls get to end.
///
/// # Errors
/// If it is no number of seconds from 0 to 3600.
pub fn drain(text: &str) -> Result<Duration, String> {
    integer(text, 0, 3600).map(|seconds| Duration::from_secs(seconds.into()))
}

/// See [`LogFormat`].
///
/// # Errors
/// If it is none.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json".into()),
    }
}

/// See [`LogLevel`].
///
/// # Errors
/// If it is none.
pub fn log_level(text: &str) -> Result<LogLevel, String> {
    Ok(match text {
        "off" => LogLevel::Off,
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => return Err("off, error, warn, info, debug or trace".into()),
    })
}

fn integer(text: &str, low: u32, high: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| format!("an integer from {low} to {high}"))
}
