//! A store of this machine as the other side: the planner, called directly.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Work;
use crate::plan::Line;
use crate::registry::{Counts, Import, Table, read_csv};
use crate::service::planner::{
    Begun, ImportOrder as Order, PlanRecord as Record, PlanRequest, PlanState, Planner,
    PlannerError, Source,
};
use crate::store::{PlanStore, SledStore, StoreError};

use super::backend::{
    Backend, Drawn, ImportOrder, Imported, LineFilter, PlanOrder, PlanRecord, plan_id,
};
use super::failure::{Exit, Failure};
use super::files::CsvFile;
use super::import::bad_rows;
use super::progress::Progress;
use super::steps::freeze_id;

/// Plans read at a time.
const PAGE: usize = 1000;

/// A planner over a store.
pub(super) struct Local {
    pub planner: Planner,
}

impl Local {
    /// Opens the store in `dir`, or makes one if there is none.
    ///
    /// # Errors
    /// If it is in use, is none, or is damaged.
    pub fn open(dir: &Path, threads: usize) -> Result<Self, Failure> {
        Ok(Local { planner: planner(dir, threads)? })
    }
}

/// The planner over a store that is there already.
pub(super) fn existing(dir: &Path, threads: usize) -> Result<Local, Failure> {
    is_there(dir)?;
    Local::open(dir, threads)
}

/// Refuses a directory that is not there, rather than making a store of it.
pub(super) fn is_there(dir: &Path) -> Result<(), Failure> {
    if dir.is_dir() {
        return Ok(());
    }
    Err(Failure::input(format_args!("{}: there is no store", dir.display())))
}

/// A planner over the store in `dir`.
pub(super) fn planner(dir: &Path, threads: usize) -> Result<Planner, Failure> {
    planner_over(Arc::new(store(dir)?), threads)
}

/// A planner over an open store.
pub(super) fn planner_over(store: Arc<dyn PlanStore>, threads: usize) -> Result<Planner, Failure> {
    Planner::new(store, threads).map_err(failure)
}

/// The store in `dir`.
pub(super) fn store(dir: &Path) -> Result<SledStore, Failure> {
    SledStore::open(dir).map_err(|error| unopened(&error))
}

/// The failure of a store that could not be opened.
pub(super) fn unopened(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::NotAStore { .. } | StoreError::Older { .. } | StoreError::Version { .. } => {
            Exit::Input
        }
        _ => Exit::Other,
    };
    Failure::new(exit, error)
}

/// Seconds since 1970-01-01T00:00:00Z; a clock before that is as good as 0.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Who types, as far as the log is concerned.
pub(super) fn actor() -> String {
    let user = std::env::var("USER").unwrap_or_default();
    let plain = !user.is_empty() && user.len() <= 64 && !user.chars().any(char::is_control);
    format!("local:{}", if plain { user.as_str() } else { "unknown" })
}

/// What the planner's error means for whoever typed the command.
pub(super) fn failure(error: PlannerError) -> Failure {
    use PlannerError as E;
    match error {
        E::BadRows(report) => bad_rows(&report),
        E::Refused(refusal) => Failure::new(Exit::Refused, refusal),
        E::NothingImported
        | E::NotFound { .. }
        | E::Policy(_)
        | E::Frame(_)
        | E::Keep { .. }
        | E::Seed(_)
        | E::RevisionConflict { .. }
        | E::AlreadyDrawn { .. }
        | E::NotTheLatest { .. }
        | E::SeedUsed { .. }
        | E::Reason
        | E::ReasonAlone
        | E::Log(_)
        | E::NotCommitted { .. }
        | E::Replace(_)
        | E::Evidence
        | E::NotEmpty
        | E::Etag { .. }
        | E::RequestId(_)
        | E::RequestReused(_) => Failure::input(error),
        _ => Failure::other(error),
    }
}

/// As [`failure`], of a command that looks for damage.
pub(super) fn damaged(error: PlannerError) -> Failure {
    if error.is_damage() { Failure::new(Exit::Differs, error) } else { failure(error) }
}

impl Backend for Local {
    fn import(
        &mut self,
        order: &ImportOrder,
        files: &[CsvFile],
        progress: &Progress,
    ) -> Result<Imported, Failure> {
        let asked = Order { mode: order.mode, base: order.base, request_id: String::new() };
        let ticket = match self.planner.begin_import(&asked).map_err(failure)? {
            Begun::New(ticket) => ticket,
            Begun::Known(_) => return Err(Failure::other("an import without a name was known")),
        };
        let mut import = Import::new(order.scheme, order.mode);
        for file in files {
            let reader = progress.reading(file.table.file_name(), file.bytes, file.open()?);
            read_csv(file.table, reader, &mut import).map_err(Failure::input)?;
        }
        progress.stage("checking and storing");
        let done = self.planner.finish_import(ticket, import, now()).map_err(failure)?;
        let count = |table| done.record.count(table);
        Ok(Imported {
            number: done.record.number,
            digest: done.record.digest.to_string(),
            counts: Counts {
                divisions: count(Table::Divisions),
                products: count(Table::Products),
                enterprises: count(Table::Enterprises),
                supply: count(Table::Supply),
                tiers: count(Table::Tiers),
                history: count(Table::History),
            },
            unchanged: done.unchanged,
        })
    }

    fn draw(&mut self, order: &PlanOrder, progress: &Progress) -> Result<Drawn, Failure> {
        let (supersedes, reason) = match &order.supersedes {
            Some((plan, reason)) => (Some(plan_id(freeze_id(plan)).to_owned()), reason.clone()),
            None => (None, String::new()),
        };
        let request = PlanRequest {
            source: Source::Policy { policy: Box::new(order.policy.clone()), revision: None },
            seed_text: order.seed_text.clone(),
            supersedes,
            reason,
            actor: actor(),
            request_id: String::new(),
            now: now(),
        };
        let stage = |name: &'static str| progress.stage(name);
        let work = Work { progress: &stage, ..Work::unwatched(self.planner.threads()) };
        let drawn = self.planner.plan(&request, &work).map_err(failure)?;
        Ok(Drawn { plan: record(drawn.record), existing: drawn.existing })
    }

    fn plans(&mut self) -> Result<Vec<PlanRecord>, Failure> {
        let mut plans: Vec<PlanRecord> = Vec::new();
        loop {
            let after = plans.last().map_or("", |plan| plan.id.as_str());
            let page = self.planner.plans(after, PAGE).map_err(failure)?;
            if page.is_empty() {
                return Ok(plans);
            }
            plans.extend(page.into_iter().map(record));
        }
    }

    fn export(&mut self, plan: &str) -> Result<Vec<u8>, Failure> {
        self.planner.document_bytes(plan_id(plan)).map_err(failure)
    }

    fn lines(&mut self, plan: &str, filter: LineFilter) -> Result<Vec<Line>, Failure> {
        let document = self.planner.document(plan_id(plan)).map_err(failure)?;
        Ok(document.lines.iter().filter(|line| filter.takes(line)).cloned().collect())
    }

    fn regenerate(&mut self, plan: &str, progress: &Progress) -> Result<Option<String>, Failure> {
        let stage = |name: &'static str| progress.stage(name);
        let work = Work { progress: &stage, ..Work::unwatched(self.planner.threads()) };
        let again = self.planner.regenerate(plan_id(plan), &work).map_err(failure)?;
        Ok(again.difference)
    }
}

pub(super) fn record(record: Record) -> PlanRecord {
    let drawn_at = i64::try_from(record.created_at).ok();
    let drawn_at = drawn_at.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    PlanRecord {
        id: record.id,
        title: record.title,
        drawn_at: drawn_at.map(|time| time.to_string()).unwrap_or_default(),
        units: record.units,
        batches: record.batches,
        replacements: record.replacements,
        replacement_shortfall: record.replacement_shortfall,
        rows: record.compliance_rows,
        rows_missed: record.compliance_missed,
        digest: record.document.to_string(),
        supersedes: record.supersedes.unwrap_or_default(),
        superseded_by: record.superseded_by.unwrap_or_default(),
        state: match record.state {
            PlanState::Drawn => "drawn",
            PlanState::Issued => "issued",
            PlanState::Superseded => "superseded",
            PlanState::Void => "void",
        },
        draw_number: record.draw_number,
        unprotected: record.seed.source == "text",
    }
}
