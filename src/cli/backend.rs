//! What commands ask for, whether a store of this machine answers or a server.

use std::path::Path;

use crate::model::{DivisionCode, IdScheme, Level};
use crate::plan::Line;
use crate::policy::{Draft, Policy};
use crate::registry::{Counts, Mode};

use super::args::Target;
use super::failure::Failure;
use super::files::CsvFile;
use super::local::Local;
use super::progress::Progress;
use super::remote::Remote;
use super::steps::Steps;

/// Where the registry and the plans are, and who works on them.
///
/// Both kinds take the same input and give the same bytes; a command never asks which one it has.
pub(super) trait Backend: Steps {
    /// Imports files as a new revision: all rows or none.
    ///
    /// # Errors
    /// With the bad rows, if there are any; then nothing was kept.
    fn import(
        &mut self,
        order: &ImportOrder,
        files: &[CsvFile],
        progress: &Progress,
    ) -> Result<Imported, Failure>;

    /// Freezes the frame of the latest revision, draws a plan and keeps it.
    ///
    /// # Errors
    /// With the clashing quotas, if they cannot be met.
    fn draw(&mut self, order: &PlanOrder, progress: &Progress) -> Result<Drawn, Failure>;

    /// All plans, ascending by name.
    fn plans(&mut self) -> Result<Vec<PlanRecord>, Failure>;

    /// The bytes of a plan's file.
    fn export(&mut self, plan: &str) -> Result<Vec<u8>, Failure>;

    /// The lines of a plan that pass `filter`, ascending by number.
    fn lines(&mut self, plan: &str, filter: LineFilter) -> Result<Vec<Line>, Failure>;

    /// Draws a plan again from what is stored; the first difference, if there is one.
    fn regenerate(&mut self, plan: &str, progress: &Progress) -> Result<Option<String>, Failure>;
}

/// What an import is.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImportOrder {
    /// Rule of enterprise ids.
    pub scheme: IdScheme,
    /// What it does to its tables.
    pub mode: Mode,
    /// The revision that must be the latest; none: whichever is.
    pub base: Option<u64>,
}

/// A revision that an import made or found.
#[derive(Debug, Clone)]
pub(super) struct Imported {
    /// Number of the revision.
    pub number: u64,
    /// Digest of its canonical bytes.
    pub digest: String,
    /// Rows by table.
    pub counts: Counts,
    /// Whether the latest revision already held exactly this.
    pub unchanged: bool,
}

/// A plan that is wanted.
#[derive(Debug, Clone)]
pub(super) struct PlanOrder {
    /// The policy as written, for a message.
    pub draft: Draft,
    /// The same, checked.
    pub policy: Policy,
    /// The seed.
    pub seed_text: String,
    /// The plan to supersede, and why.
    pub supersedes: Option<(String, String)>,
}

/// A drawn plan.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// The plan.
    pub plan: PlanRecord,
    /// Whether it was on record already.
    pub existing: bool,
}

/// What is on record of a plan.
#[derive(Debug, Clone)]
pub(super) struct PlanRecord {
    /// Its name.
    pub id: String,
    /// Title of the policy; may be empty.
    pub title: String,
    /// When it was drawn, as text.
    pub drawn_at: String,
    /// Eligible units.
    pub units: u64,
    /// Units drawn.
    pub batches: u64,
    /// Replacement units listed.
    pub replacements: u64,
    /// Replacement units asked for and not found.
    pub replacement_shortfall: u64,
    /// Rows of compliance.
    pub rows: u64,
    /// Rows that do not hold in every draw; targets only.
    pub rows_missed: u64,
    /// Digest of the plan file.
    pub digest: String,
    /// The plan that it supersedes; empty if none.
    pub supersedes: String,
    /// The plan that supersedes it; empty if none.
    pub superseded_by: String,
    /// Its state in a word.
    pub state: &'static str,
    /// Which draw of its programme it is, from 1.
    pub draw_number: u64,
    /// Whether its seed could have been chosen among several.
    pub unprotected: bool,
}

/// Which lines.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineFilter {
    /// Only lines of this level.
    pub level: Option<Level>,
    /// Only lines of this authority.
    pub authority: Option<DivisionCode>,
}

impl LineFilter {
    /// Whether a line passes.
    pub fn takes(&self, line: &Line) -> bool {
        self.level.is_none_or(|level| line.level == level)
            && self.authority.is_none_or(|code| line.authority == code)
    }
}

/// Opens what `target` names. A store that is not there is an error unless `create`.
pub(super) fn open(
    target: &Target,
    threads: usize,
    create: bool,
) -> Result<Box<dyn Backend>, Failure> {
    match (&target.place.store, &target.place.server) {
        (Some(dir), None) => Ok(Box::new(Local::open(existing(dir, create)?, threads)?)),
        (None, Some(url)) => Ok(Box::new(Remote::connect(url, &target.access)?)),
        _ => Err(Failure::input("exactly one of --store and --server is needed")),
    }
}

/// Reading must not leave an empty store behind where there was none.
fn existing(dir: &Path, create: bool) -> Result<&Path, Failure> {
    if create || dir.is_dir() {
        return Ok(dir);
    }
    let dir = dir.display();
    Err(Failure::input(format_args!("{dir}: no store; `spotcheck import --store {dir}` makes one")))
}

/// The name of a plan, with or without the collection that it is in.
pub(super) fn plan_id(text: &str) -> &str {
    text.strip_prefix("plans/").unwrap_or(text)
}
