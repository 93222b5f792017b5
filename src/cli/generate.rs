//! `generate`: the CSV files of a synthetic province.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::generate::{File, GenerateError, Options, generate};

use super::args::GenerateArgs;
use super::failure::Failure;
use super::table::grouped;

/// Runs `generate`.
pub(super) fn run(args: &GenerateArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let made = province(args.units, args.seed, &args.out)?;
    out.write_all(made.as_bytes()).map_err(Failure::stdout)
}

/// Writes a province of `units` units to `dir`, over what such files it has; says what was made.
pub(super) fn province(units: u64, seed: u64, dir: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::other(format_args!("{}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    let open = |file: File| fs::File::create(dir.join(file.file_name()));
    let made = generate(&Options { units, seed }, open).map_err(|error| match error {
        GenerateError::Units { .. } => Failure::input(error),
        error => Failure::other(format_args!("{}: {error}", dir.display())),
    })?;
    let mut text = String::new();
    for (file, rows) in File::ALL.iter().zip(made.rows) {
        text += &format!("{:<16}{:>14} rows\n", file.file_name(), grouped(rows));
    }
    text += &format!("{:<16}{:>14}\n", "units", grouped(made.units));
    Ok(text)
}
