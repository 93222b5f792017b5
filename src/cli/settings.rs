//! The settings of `serve`: flags made from the table of settings, and all sources put together.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Config, ENV_PREFIX, Layers, SETTINGS, Setting};

use super::args::ServeArgs;
use super::failure::Failure;
use super::files;

/// The variable that names the file.
const CONFIG_VARIABLE: &str = "SPOTCHECK_CONFIG";
/// Settings that the program as a whole has a flag for.
const GLOBAL: &[&str] = &["threads"];

/// What was typed of the settings, by key.
#[derive(Debug, Clone, Default)]
pub(super) struct SettingFlags(pub Vec<(&'static str, String)>);

fn flags() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| !GLOBAL.contains(&setting.key))
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        flags().fold(command, |command, setting| {
            let default = setting.default.map(|default| format!(" [default: {default}]"));
            let help = format!("{}{}", setting.what, default.unwrap_or_default());
            command
                .arg(Arg::new(setting.key).long(setting.flag).value_name(setting.value).help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |setting: &Setting| {
            let text = matches.get_one::<String>(setting.key)?;
            Some((setting.key, text.clone()))
        };
        Ok(SettingFlags(flags().filter_map(typed).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What holds in the end, and variables that look like settings and are none.
pub(super) fn resolve(
    args: &ServeArgs,
    threads: Option<u32>,
) -> Result<(Config, Vec<String>), Failure> {
    let mut flags = args.settings.0.clone();
    flags.extend(threads.map(|threads| ("threads", threads.to_string())));
    let mut env = environment()?;
    let named = env.iter().position(|(name, _)| name == CONFIG_VARIABLE);
    let named = named.map(|place| env.swap_remove(place).1).filter(|name| !name.is_empty());
    let path = args.config.clone().or_else(|| named.map(Into::into));
    let file = path.as_deref().map(read).transpose()?;
    let name = path.as_deref().map(|path| path.display().to_string());
    let layers = Layers { flags, env, file: name.as_deref().zip(file.as_deref()) };
    let config = layers.resolve(SETTINGS)?;
    let stray = layers.stray(SETTINGS).into_iter().map(str::to_owned).collect();
    Ok((config, stray))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| files::cannot_read(path, &error))
}

/// Our part of the environment.
fn environment() -> Result<Vec<(String, String)>, Failure> {
    let ours = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(ENV_PREFIX))?;
        let value =
            value.into_string().map_err(|_| Failure::input(format_args!("{name}: must be UTF-8")));
        Some(value.map(|value| (name, value)))
    };
    std::env::vars_os().filter_map(ours).collect()
}
