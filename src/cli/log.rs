//! `log`: the transparency log shown, proved, and proofs checked offline.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::audit::log::{
    Checkpoint, ConsistencyProof, InclusionProof, open_checkpoint, verify_plan_note,
};
use crate::model::Digest;

use super::args::Target;
use super::backend::open;
use super::failure::{Exit, Failure};
use super::{files, local};

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Print the signed head: a C2SP checkpoint
    Checkpoint(LogArgs),
    /// Print the public key that signs the log
    Key(LogArgs),
    /// Print all entries, one line of JSON each
    Entries(LogArgs),
    /// Print the proof that an entry is in the log, as JSON
    Prove(ProveArgs),
    /// Print the proof that the log begins with what it was at so many entries, as JSON
    Consistency(ProveArgs),
    /// Sign with a new key from here on, and print its public half; the old key vouches for it
    NewKey(NewKeyArgs),
    /// Check a proof, or the note that vouches for a plan file, offline
    Check(CheckArgs),
}

/// A log of a store.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    #[command(flatten)]
    pub target: Target,
}

/// Options of `log prove` and `log consistency`.
#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    #[command(flatten)]
    pub target: Target,
    /// Number of the entry, or of entries
    pub number: u64,
}

/// Options of `log new-key`.
#[derive(Debug, Args)]
pub(super) struct NewKeyArgs {
    /// Directory of the store, which nothing else has open
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
}

/// Options of `log check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The proof, or the note
    pub file: PathBuf,
    /// The public key of the log, or a file that holds it
    #[arg(long, value_name = "KEY|FILE")]
    pub key: String,
    /// An earlier signed head, which a proof of consistency must begin with
    #[arg(long, value_name = "FILE")]
    pub earlier: Option<PathBuf>,
    /// The plan file that a note vouches for
    #[arg(long, value_name = "PLAN.json")]
    pub plan: Option<PathBuf>,
}

/// Runs `log`.
pub(super) fn run(
    command: &LogCommand,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        LogCommand::Checkpoint(args) => {
            let (checkpoint, _) = open(&args.target, threads, false)?.checkpoint()?;
            out.write_all(checkpoint.as_bytes()).map_err(Failure::stdout)
        }
        LogCommand::Key(args) => {
            let (_, key) = open(&args.target, threads, false)?.checkpoint()?;
            writeln!(out, "{key}").map_err(Failure::stdout)
        }
        LogCommand::Entries(args) => {
            let mut backend = open(&args.target, threads, false)?;
            let mut start = 0;
            loop {
                let entries = backend.entries(start)?;
                if entries.is_empty() {
                    return Ok(());
                }
                start += entries.len() as u64;
                for entry in entries {
                    writeln!(out, "{entry}").map_err(Failure::stdout)?;
                }
            }
        }
        LogCommand::Prove(args) => {
            json(out, &open(&args.target, threads, false)?.prove(args.number)?)
        }
        LogCommand::Consistency(args) => {
            json(out, &open(&args.target, threads, false)?.prove_growth(args.number)?)
        }
        LogCommand::NewKey(args) => {
            let planner = local::existing(&args.store, threads)?.planner;
            let key = planner.change_log_key(&local::actor(), local::now());
            writeln!(out, "{}", key.map_err(local::failure)?).map_err(Failure::stdout)
        }
        LogCommand::Check(args) => check(args, out),
    }
}

fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(|e| Failure::stdout(e.into()))?;
    writeln!(out).map_err(Failure::stdout)
}

/// A public key, or the one in a file of this name.
pub(super) fn key(text_or_file: &str) -> Result<String, Failure> {
    // A key has pluses, and no file is likely to be named so.
    let key = match Path::new(text_or_file) {
        path if path.is_file() => files::text(path)?,
        _ => text_or_file.to_owned(),
    };
    let key = key.trim().to_owned();
    crate::audit::log::check_key(&key).map_err(Failure::input)?;
    Ok(key)
}

fn check(args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let key = &key(&args.key)?;
    let proof = files::text(&args.file)?;
    let differs = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Differs, format_args!("{}: {error}", args.file.display()))
    };
    let said = if let Ok(proof) = serde_json::from_str::<InclusionProof>(&proof) {
        let entry = proof.check(key).map_err(|error| differs(&error))?;
        format!("entry {} is in the log of {} entries: {}", entry.sequence, proof.size, proof.entry)
    } else if let Ok(proof) = serde_json::from_str::<ConsistencyProof>(&proof) {
        let earlier: Option<Checkpoint> = match &args.earlier {
            Some(path) => {
                Some(open_checkpoint(&files::text(path)?, key).map_err(|error| differs(&error))?)
            }
            None => None,
        };
        proof.check(key, earlier.as_ref()).map_err(|error| differs(&error))?;
        format!("the log of {} entries begins with that of {}", proof.size, proof.old_size)
    } else if let Some(path) = &args.plan {
        let bytes = files::plan(path)?;
        let digest = Digest::of(&bytes);
        let document = crate::plan::Document::from_bytes(&bytes)
            .map_err(|error| Failure::input(format_args!("{}: {error}", path.display())))?;
        let id = &document.plan.id;
        verify_plan_note(&proof, key, id, &digest).map_err(|error| differs(&error))?;
        format!("{id}: the file {digest} is in force, signed by {key}")
    } else {
        let head = open_checkpoint(&proof, key).map_err(|error| differs(&error))?;
        format!("head of {}: {} entries, root {}", head.origin, head.size, head.root)
    };
    writeln!(out, "{said}").map_err(Failure::stdout)
}
