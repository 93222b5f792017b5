//! Which source of a setting wins, and what the outcome is.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::{Setting, file};

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("{file}:{line}: not TOML: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The file has a key that is none.
    #[error("{file}:{line}: unknown setting `{key}`; there are {known}")]
    Unknown {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The keys that there are.
        known: String,
    },
    /// The file gives a setting an array, a table, a float or a date.
    #[error("{file}:{line}: `{key}` must be a string or an integer")]
    Kind {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// A value is not right.
    #[error("{origin}: `{key}` is `{value}`, but must be {expected}")]
    Value {
        /// Where it comes from.
        origin: Origin,
        /// The key.
        key: &'static str,
        /// The value; stars if it is secret.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A setting must be given.
    #[error("`{key}` is required: give --{flag}, {env}, or `{key} = …` in the file")]
    Missing {
        /// The key.
        key: &'static str,
        /// Its name on the command line.
        flag: &'static str,
        /// Its environment variable.
        env: String,
    },
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line; the flag without its dashes.
    Flag(&'static str),
    /// The environment; the variable.
    Env(String),
    /// The file, and the line in it.
    File(String, usize),
    /// Nobody gave it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => write!(f, "--{flag}"),
            Origin::Env(variable) => f.write_str(variable),
            Origin::File(file, line) => write!(f, "{file}:{line}"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// Shown in place of a secret.
const HIDDEN: &str = "***";

/// The sources of settings.
#[derive(Debug, Default)]
pub struct Layers<'a> {
    /// What was typed, by key.
    pub flags: Vec<(&'static str, String)>,
    /// The environment, by variable; a variable that is empty counts as not set.
    pub env: Vec<(String, String)>,
    /// The file: its name, and its text.
    pub file: Option<(&'a str, &'a str)>,
}

impl Layers<'_> {
    /// What holds in the end.
    ///
    /// # Errors
    /// The first thing that is wrong in any source, also where another source would win: a
    /// mistake that shows only when a flag is taken away is worse.
    pub fn resolve(&self, settings: &'static [Setting]) -> Result<Config, ConfigError> {
        let file = match self.file {
            Some((name, text)) => file::entries(settings, name, text)?,
            None => Vec::new(),
        };
        let mut values = BTreeMap::new();
        for setting in settings {
            let mut given = Vec::new();
            let default = setting.default.map(|text| (text.to_owned(), Origin::Default));
            given.extend(default);
            for entry in file.iter().filter(|entry| entry.key == setting.key) {
                let name = self.file.map_or("", |(name, _)| name).to_owned();
                given.push((entry.text.clone(), Origin::File(name, entry.line)));
            }
            let variable = setting.env();
            for (_, text) in
                self.env.iter().filter(|(name, text)| *name == variable && !text.is_empty())
            {
                given.push((text.clone(), Origin::Env(variable.clone())));
            }
            for (_, text) in self.flags.iter().filter(|(key, _)| *key == setting.key) {
                given.push((text.clone(), Origin::Flag(setting.flag)));
            }
            for (text, origin) in &given {
                (setting.check)(text)
                    .map_err(|expected| wrong(setting, text, origin.clone(), expected))?;
            }
            match given.pop() {
                Some(last) => drop(values.insert(setting.key, last)),
                None if setting.required => {
                    let Setting { key, flag, .. } = *setting;
                    return Err(ConfigError::Missing { key, flag, env: variable });
                }
                None => {}
            }
        }
        Ok(Config { settings, values })
    }

    /// Variables that look like settings and are none, e.g. misspelt ones. Not an error: some
    /// platforms set variables of their own after the name of a service.
    #[must_use]
    pub fn stray(&self, settings: &[Setting]) -> Vec<&str> {
        let known = |name: &str| settings.iter().any(|setting| setting.env() == name);
        let names = self.env.iter().map(|(name, _)| name.as_str());
        names.filter(|name| name.starts_with(super::ENV_PREFIX) && !known(name)).collect()
    }
}

fn wrong(setting: &Setting, text: &str, origin: Origin, expected: String) -> ConfigError {
    let value = if setting.secret { HIDDEN } else { text }.to_owned();
    ConfigError::Value { origin, key: setting.key, value, expected }
}

/// What holds: a checked value for each setting that has one, and its origin.
#[derive(Debug, Clone)]
pub struct Config {
    settings: &'static [Setting],
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Config {
    /// A value, read by the function that its setting is checked by.
    ///
    /// # Errors
    /// If it doesn't read, or is not there and must be.
    pub fn required<T>(
        &self,
        key: &'static str,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let missing = || {
            let setting = self.settings.iter().find(|setting| setting.key == key);
            let (flag, env) = setting.map_or(("", String::new()), |s| (s.flag, s.env()));
            ConfigError::Missing { key, flag, env }
        };
        self.optional(key, read)?.ok_or_else(missing)
    }

    /// As [`Config::required`], of a setting that may be left out.
    ///
    /// # Errors
    /// If it doesn't read.
    pub fn optional<T>(
        &self,
        key: &'static str,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((text, origin)) = self.values.get(key) else { return Ok(None) };
        read(text).map(Some).map_err(|expected| {
            let value = if self.is_secret(key) { HIDDEN } else { text.as_str() }.to_owned();
            ConfigError::Value { origin: origin.clone(), key, value, expected }
        })
    }

    fn is_secret(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key && setting.secret)
    }

    /// The configuration as a file that says the same, with the origin of every value. Secrets
    /// are not shown.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for Setting { key, secret, .. } in self.settings {
            let line = match self.values.get(key) {
                None => format!("# {key} is not set"),
                Some((_, origin)) if *secret => format!("# {key} = {HIDDEN} # {origin}"),
                Some((value, origin)) => {
                    let value = match value.parse::<u32>() {
                        Ok(number) => number.to_string(),
                        Err(_) => toml::Value::String(value.clone()).to_string(),
                    };
                    format!("{key} = {value} # {origin}")
                }
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PLAIN, values};
    use super::*;

    const SETTINGS: &[Setting] = &[
        Setting { key: "store", flag: "store", required: true, ..PLAIN },
        Setting {
            key: "drain_seconds",
            flag: "drain-seconds",
            default: Some("30"),
            check: |text| values::drain(text).map(drop),
            ..PLAIN
        },
        Setting {
            key: "password",
            flag: "password",
            secret: true,
            check: |text| if text.len() < 5 { Err("longer".into()) } else { Ok(()) },
            ..PLAIN
        },
        Setting { key: "absent", flag: "absent", ..PLAIN },
    ];

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let flags = vec![("store", "s".to_owned())];
        Layers { file: Some(("a.toml", text)), flags, ..Layers::default() }.resolve(SETTINGS)
    }

    #[test]
    fn flags_win_then_the_environment_then_the_file_then_defaults() {
        let mut layers = Layers {
            flags: vec![("store", "s".to_owned()), ("drain_seconds", "1".to_owned())],
            env: env(&[("SPOTCHECK_DRAIN_SECONDS", "2"), ("SPOTCHECK_PASSWORD", "")]),
            file: Some(("a.toml", "# first\ndrain_seconds = 3\n")),
        };
        let seconds = |layers: &Layers<'_>| {
            let config = layers.resolve(SETTINGS).unwrap();
            (config.required("drain_seconds", values::drain).unwrap().as_secs(), config.to_toml())
        };
        assert_eq!(seconds(&layers).0, 1);
        layers.flags.pop();
        assert_eq!(seconds(&layers).0, 2);
        layers.env.remove(0);
        let (found, shown) = seconds(&layers);
        assert_eq!(found, 3);
        let expected = "store = \"s\" # --store\ndrain_seconds = 3 # a.toml:2\n\
                        # password is not set\n# absent is not set\n";
        assert_eq!(shown, expected);
        layers.file = None;
        assert_eq!(seconds(&layers).0, 30);
        layers.flags.clear();
        let missing = layers.resolve(SETTINGS).unwrap_err().to_string();
        assert!(missing.contains("--store") && missing.contains("SPOTCHECK_STORE"), "{missing}");
    }

    #[test]
    fn what_is_shown_is_a_file_that_says_the_same() {
        let text = "store = 'a \"b\" \\ c#'\ndrain_seconds = \"7\"\n";
        let layers = Layers { file: Some(("a.toml", text)), ..Layers::default() };
        let config = layers.resolve(SETTINGS).unwrap();
        let shown = config.to_toml();
        let again = Layers { file: Some(("b.toml", &shown)), ..Layers::default() };
        let again = again.resolve(SETTINGS).unwrap();
        for key in ["store", "drain_seconds"] {
            assert_eq!(again.values[key].0, config.values[key].0);
        }
    }

    #[test]
    fn mistakes_are_named_with_file_key_and_line() {
        for (text, parts) in [
            ("\n\ndrain_secs = 3", ["a.toml:3", "`drain_secs`", "drain_seconds"]),
            ("drain_seconds = 4000", ["a.toml:1", "`4000`", "from 0 to 3600"]),
            ("\ndrain_seconds = [1]", ["a.toml:2", "`drain_seconds`", "must be a string"]),
            ("[drain_seconds]\na = 1", ["a.toml:1", "`drain_seconds`", "must be a string"]),
            ("store = \"a\"\n\nstore = ", ["a.toml:3", "not TOML", ""]),
            ("store = 1\nstore = 2", ["a.toml:2", "not TOML", "duplicate"]),
        ] {
            let error = with_file(text).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
        // Also where a flag would win.
        let layers = Layers {
            flags: vec![("store", "s".into()), ("drain_seconds", "1".into())],
            env: env(&[("SPOTCHECK_DRAIN_SECONDS", "soon")]),
            file: None,
        };
        let error = layers.resolve(SETTINGS).unwrap_err().to_string();
        assert!(error.starts_with("SPOTCHECK_DRAIN_SECONDS: "), "{error}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = with_file("password = 'hunter2'").unwrap().to_toml();
        assert!(shown.contains("# password = *** # a.toml:1\n"), "{shown}");
        let error = with_file("password = 'abc'").unwrap_err().to_string();
        assert!(error.contains("must be longer") && !error.contains("abc"), "{error}");
    }

    #[test]
    fn stray_variables_are_found() {
        let env = env(&[("SPOTCHECK_STOER", "1"), ("SPOTCHECK_STORE", "1"), ("PATH", "1")]);
        let layers = Layers { env, ..Layers::default() };
        assert_eq!(layers.stray(SETTINGS), ["SPOTCHECK_STOER"]);
    }
}
