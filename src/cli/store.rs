//! `store`: copies of a store, and whether one is whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::args::Target;
use super::backend::{Backend, open};
use super::failure::{Exit, Failure};
use super::local::{self, Local, damaged, failure};
use super::progress::Progress;
use super::steps::Steps;
use super::table::grouped;
use crate::model::Work;
use crate::service::planner::{Copy, Planner};
use crate::store::{PlanStore, SledStore};

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Copy a store as it is at this moment, of this machine or of a running server, with its keys
    Backup(BackupArgs),
    /// Put a copy in the place of a store
    Restore(RestoreArgs),
    /// Read all of a store: every byte against its digest, every record against the log
    Check(CheckArgs),
    /// Bring a store of an older format to the one that this program works with
    Migrate(StoreArgs),
    /// Remove what work that was refused, stopped or killed has left and nothing names
    Compact(StoreArgs),
}

/// Options of `store backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    pub target: Target,
    /// Directory of the copy, new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Options of `store restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// Directory of the copy
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Directory of the store, new or empty
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
}

/// Options of `store check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub target: Target,
}

/// Options of `store migrate` and `store compact`.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Directory of the store
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
}

/// Runs `store`.
pub(super) fn run(
    command: &StoreCommand,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        StoreCommand::Backup(args) => {
            let mut backend = source(&args.target, threads)?;
            copy_to(&args.out, threads, |copy| backend.copy(copy))?;
            said(out, "the copy", &args.out)
        }
        StoreCommand::Restore(args) => {
            let mut from = Local { planner: planner(&readable(&args.from)?, threads)? };
            copy_to(&args.store, threads, |copy| from.copy(copy))?;
            said(out, "the store", &args.store)
        }
        StoreCommand::Check(args) => {
            let mut backend = source(&args.target, threads)?;
            let progress = Progress::new();
            progress.stage("reading all of the store");
            let checked = backend.check_store();
            progress.done();
            let checked = checked?;
            let (segments, bytes) = checked.segments;
            let lines = [
                ("log entries", checked.entries),
                ("records", checked.records),
                ("segments", segments),
                ("bytes of them", bytes),
                ("decoded", checked.decoded),
            ];
            let text: String =
                lines.iter().map(|(name, n)| format!("{name:<15}{:>16}\n", grouped(*n))).collect();
            let place = &args.target.place;
            let store = place.store.as_ref().map(|dir| dir.display().to_string());
            let name = store.or_else(|| place.server.clone()).unwrap_or_default();
            writeln!(out, "{text}{name}: everything is whole").map_err(Failure::stdout)
        }
        StoreCommand::Migrate(args) => {
            let store = readable(&args.store)?;
            // What is damaged must not be declared whole.
            planner(&store, threads)?.check_log().map_err(damaged)?;
            let (found, format) = (store.migrate().map_err(Failure::other)?, SledStore::format());
            let dir = args.store.display();
            let said = if found == format {
                writeln!(out, "{dir}: has the format {format} already")
            } else {
                writeln!(out, "{dir}: brought from {found} to {format}")
            };
            said.map_err(Failure::stdout)
        }
        StoreCommand::Compact(args) => {
            local::is_there(&args.store)?;
            let mut planner = planner(&Arc::new(local::store(&args.store)?), threads)?;
            let removed = planner.compact(&Work::unwatched(threads)).map_err(damaged)?;
            let (segments, bytes) = (grouped(removed.segments), grouped(removed.bytes));
            let dir = args.store.display();
            writeln!(out, "{dir}: removed {segments} segments, {bytes} bytes")
                .map_err(Failure::stdout)
        }
    }
}

/// A store that is read, of whatever format, or a server.
fn source(target: &Target, threads: usize) -> Result<Box<dyn Backend>, Failure> {
    match &target.place.store {
        Some(dir) => Ok(Box::new(Local { planner: planner(&readable(dir)?, threads)? })),
        None => open(target, threads, false),
    }
}

/// The store in `dir`, to be read, whatever format it has.
fn readable(dir: &Path) -> Result<Arc<SledStore>, Failure> {
    local::is_there(dir)?;
    match SledStore::open_older(dir) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) if error.is_damage() => Err(Failure::new(Exit::Differs, error)),
        Err(error) => Err(local::unopened(&error)),
    }
}

/// A planner over a store that is read.
fn planner(store: &Arc<SledStore>, threads: usize) -> Result<Planner, Failure> {
    let store = Arc::clone(store) as Arc<dyn PlanStore>;
    Planner::new(store, threads).map_err(damaged)
}

/// Makes a copy, and checks it.
fn copy_to(
    dir: &Path,
    threads: usize,
    fill: impl FnOnce(&mut Copy) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let progress = Progress::new();
    progress.stage("copying");
    let mut copy = Copy::begin(local::store(dir)?).map_err(failure)?;
    fill(&mut copy)?;
    let ended = copy.end(threads).map_err(damaged);
    progress.done();
    ended
}

fn said(out: &mut dyn Write, what: &str, dir: &Path) -> Result<(), Failure> {
    writeln!(out, "{what} {} is whole; it holds the keys that sign: guard it", dir.display())
        .map_err(Failure::stdout)
}
