//! Settings of the server: from the command line, the environment and a file, in this order;
//! else the default.
//!
//! | file | what for |
//! |---|---|
//! | this one | the table of settings, which is all that there is to know of each |
//! | `layers` | which source wins, with the origin of every value |
//! | `file` | the TOML file, with the line of every key |
//! | [`values`] | how the texts of settings are read |
//!
//! Texts in, values out: reading the file and the environment is the caller's.

mod file;
mod layers;
pub mod values;

pub use layers::{Config, ConfigError, Layers, Origin};

/// What the names of environment variables begin with.
pub const ENV_PREFIX: &str = "SPOTCHECK_";

/// One setting: its names, its default, and what is right.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its key in the file; in capitals after [`ENV_PREFIX`] the environment variable.
    pub key: &'static str,
    /// Its name on the command line, without the dashes.
    pub flag: &'static str,
    /// What stands for its value in help texts.
    pub value: &'static str,
    /// The default; none if the setting may be left out, or must be given.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// What it is for.
    pub what: &'static str,
    /// Says what would be right if a text is not.
    pub check: fn(&str) -> Result<(), String>,
}

impl Setting {
    /// The environment variable.
    #[must_use]
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.key.to_uppercase())
    }
}

/// A setting that is shown, need not be given and has no default.
const PLAIN: Setting = Setting {
    key: "",
    flag: "",
    value: "",
    default: None,
    required: false,
    secret: false,
    what: "",
    check: |_| Ok(()),
};

/// All settings of `serve`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "store",
        flag: "store",
        value: "DIR",
        required: true,
        what: "Directory of the store; made if it is not there",
        check: |text| values::path(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "listen",
        flag: "listen",
        value: "ADDRESS:PORT",
        default: Some("127.0.0.1:50051"),
        what: "Address of the gRPC interface; port 0 takes any free one",
        check: |text| values::address(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "tls_cert",
        flag: "tls-cert",
        value: "FILE.pem",
        what: "Certificate of the server with its chain; needs tls_key; plain text if not given",
        check: |text| values::path(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "tls_key",
        flag: "tls-key",
        value: "FILE.pem",
        what: "Private key of the certificate",
        check: |text| values::path(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "tls_client_ca",
        flag: "tls-client-ca",
        value: "FILE.pem",
        what: "Who must have issued the certificates that clients need; clients need none if not given",
        check: |text| values::path(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "auth_keys",
        flag: "auth-keys",
        value: "JWKS.json",
        what: "Public keys that sign callers' tokens, a JSON Web Key Set; without it anybody may do all",
        check: |text| values::path(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "auth_issuer",
        flag: "auth-issuer",
        value: "TEXT",
        what: "Issuer (`iss`) that tokens must have; any if not given",
        check: |text| values::text(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "auth_audience",
        flag: "auth-audience",
        value: "TEXT",
        what: "Audience (`aud`) that tokens must have; any if not given",
        check: |text| values::text(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "insecure",
        flag: "insecure",
        value: "BOOL",
        default: Some("false"),
        what: "Whether plain text, and callers that nobody knows, are let in on other addresses than loopback: true or false",
        check: |text| values::flag(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "client_calls",
        flag: "client-calls",
        value: "N",
        default: Some("256"),
        what: "Calls of one client (whom a token names, or an address) that may be open at once, 1 to 100000",
        check: |text| values::client_calls(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "client_rate",
        flag: "client-rate",
        value: "N",
        what: "Calls a second that one client may make, 1 to 1000000; any number if not given",
        check: |text| values::client_rate(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "connections",
        flag: "connections",
        value: "N",
        default: Some("4096"),
        what: "Connections at once, 1 to 100000; more are closed",
        check: |text| values::connections(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "client_connections",
        flag: "client-connections",
        value: "N",
        default: Some("256"),
        what: "Connections of one address at once, 1 to 100000; more are closed",
        check: |text| values::connections(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "idle_seconds",
        flag: "idle-seconds",
        value: "SECONDS",
        default: Some("60"),
        what: "How long a stream may stand still before it is ended, 1 to 3600",
        check: |text| values::idle(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "threads",
        flag: "threads",
        value: "N",
        what: "Threads to use, 1 to 1024; as many as the machine has if not given; changes no result",
        check: |text| values::threads(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "drain_seconds",
        flag: "drain-seconds",
        value: "SECONDS",
        default: Some("30"),
        what: "How long open calls get to end after the signal to stop, 0 to 3600",
        check: |text| values::drain(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "metrics_listen",
        flag: "metrics-listen",
        value: "ADDRESS:PORT",
        what: "Address of /metrics, /healthz and /readyz (plain HTTP); off if not given; port 0 takes any free one",
        check: |text| values::address(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "otlp_endpoint",
        flag: "otlp-endpoint",
        value: "http://ADDRESS:PORT",
        what: "OpenTelemetry collector that spans of calls are sent to (OTLP over gRPC); none are made if not given",
        check: |text| values::collector(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "log_format",
        flag: "log-format",
        value: "FORMAT",
        default: Some("text"),
        what: "Format of the log on standard error: text, or json (one object a line)",
        check: |text| values::log_format(text).map(drop),
        ..PLAIN
    },
    Setting {
        key: "log_level",
        flag: "log-level",
        value: "LEVEL",
        default: Some("info"),
        what: "What is logged: off, error, warn, info, debug or trace, each with all before it",
        check: |text| values::log_level(text).map(drop),
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for (place, setting) in SETTINGS.iter().enumerate() {
            assert_eq!(setting.key.replace('_', "-"), setting.flag);
            assert!(!(setting.required && setting.default.is_some()), "{}", setting.key);
            if let Some(default) = setting.default {
                assert_eq!((setting.check)(default), Ok(()), "{}", setting.key);
            }
            assert!(SETTINGS[..place].iter().all(|other| other.key != setting.key));
        }
    }

    /// The table in the operator's manual says what the code does.
    #[test]
    fn every_setting_is_documented() {
        let manual = include_str!("../../docs/OPERATIONS.md");
        let (_, section) = manual.split_once("## Settings").expect("a section on settings");
        let section = section.split("\n## ").next().unwrap_or_default();
        let documented: Vec<&str> =
            section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = SETTINGS
            .iter()
            .map(|setting| {
                let default = match setting.default {
                    Some(default) => format!("`{default}`"),
                    None if setting.required => "required".to_owned(),
                    None => "none".to_owned(),
                };
                let Setting { key, flag, what, .. } = setting;
                format!("| `{key}` | `--{flag}` | `{}` | {default} | {what} |", setting.env())
            })
            .collect();
        assert_eq!(documented, expected);
    }
}
