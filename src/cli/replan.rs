//! `replan`, `topup` and `changes`: another plan that keeps what an earlier one drew, and what it
//! changed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::args::Target;
use super::backend::{Backend, PlanOrder, open, plan_id};
use super::failure::{Exit, Failure};
use super::files;
use super::plans::{summary, write_out};
use super::progress::Progress;
use super::table::{Grid, grouped};
use crate::model::{DivisionCode, Level};
use crate::plan::{Change, ChangeKind, Changes, Document, DrawnBy, make_room};
use crate::policy::{BATCHES_MAX, Draft, DraftKeep, DraftLevel, Policy, PolicyErrors};
use crate::service::v1::{AuthorityBudget, FeasibilityVerdict};

/// What multiplies the weights of an earlier plan's units where not all of them can be kept: as
/// good as certain wherever quotas leave room; and less, for quotas that leave too little for that.
const KEEP_WEIGHTS: [u64; 2] = [20_000, 1_000];

/// Options of `replan`.
#[derive(Debug, Args)]
pub(super) struct ReplanArgs {
    #[command(flatten)]
    pub target: Target,
    /// The plan whose lines are kept, and which the new plan supersedes
    pub plan: String,
    /// The policy as it is now, a TOML file without `[keep]`
    #[arg(long, value_name = "FILE.toml")]
    pub policy: PathBuf,
    /// The seed for what is not kept
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub seed_text: String,
    /// Why there is another plan
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Keep lines only as far as quotas leave room: multiplies the weights of their units.
    /// Without it all are kept, or, where budgets or quotas don't allow that, as many as they do
    #[arg(long, value_name = "FACTOR")]
    pub keep_weight: Option<u64>,
    /// Write the plan file here
    #[arg(long, value_name = "PLAN.json")]
    pub out: Option<PathBuf>,
}

/// Options of `topup`.
#[derive(Debug, Args)]
pub(super) struct TopupArgs {
    #[command(flatten)]
    pub target: Target,
    /// The plan that gets more batches; all its lines are kept
    pub plan: String,
    /// The authority that they are for: the code of the province, a city or a county
    #[arg(long, value_name = "CODE")]
    pub authority: DivisionCode,
    /// How many more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=BATCHES_MAX))]
    pub batches: u64,
    /// The seed for them
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub seed_text: String,
    /// Why there are more
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Write the plan file here
    #[arg(long, value_name = "PLAN.json")]
    pub out: Option<PathBuf>,
}

/// Options of `changes`.
#[derive(Debug, Args)]
pub(super) struct ChangesArgs {
    /// File of the earlier plan
    pub from: PathBuf,
    /// File of the later plan
    pub to: PathBuf,
    /// How they are written
    #[arg(long, value_enum, default_value_t = ChangesFormat::Table)]
    pub format: ChangesFormat,
}

/// How changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ChangesFormat {
    /// Counts, for people
    Table,
    /// One row for each unit that is drawn otherwise
    Csv,
    /// The same as one JSON object
    Json,
}

/// Runs `replan`.
pub(super) fn replan(
    args: &ReplanArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (mut draft, policy) = files::policy(&args.policy)?;
    if policy.keep.is_some() {
        let path = args.policy.display();
        return Err(Failure::input(format_args!(
            "{path}: keep: what is kept is the plan that `replan` names; leave it out"
        )));
    }
    if let Some(path) = &args.out {
        files::check_writable(path)?;
    }
    let all: Vec<Level> = policy.levels().collect();
    let plan = plan_id(&args.plan).to_owned();
    let mut backend = open(&args.target, threads, false)?;
    let progress = Progress::new();
    let before = document(&plan, &backend.export(&plan)?)?;
    // Budgets as the policy splits them, then with room for what was drawn. The split is fixed now:
    // by units it would count those that are kept for their level alone.
    let answer = backend.check(draft.clone(), policy, &progress)?;
    if answer.verdict() != FeasibilityVerdict::Feasible {
        let why = answer.sentences_en.join("\n");
        return Err(Failure::new(Exit::Refused, why));
    }
    let short = fix_budgets(&mut draft, &answer.budgets, &before)?;
    let again = Again {
        plan: &plan,
        seed_text: &args.seed_text,
        reason: &args.reason,
        keep_weight: args.keep_weight,
        out: args.out.as_deref(),
    };
    let text = again.draw(draft, &all, &short, &before, &mut *backend, &progress)?;
    progress.done();
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

/// Runs `topup`: the plan's own policy, with the batches that its authorities have and some more for one
/// of them.
pub(super) fn topup(args: &TopupArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        files::check_writable(path)?;
    }
    let plan = plan_id(&args.plan).to_owned();
    let mut backend = open(&args.target, threads, false)?;
    let before = document(&plan, &backend.export(&plan)?)?;
    let policy = Policy::from_json(&before.policy)
        .map_err(|errors| Failure::new(Exit::Differs, format_args!("{plan}: {errors}")))?;
    let mut draft = Draft::from(&policy);
    let rows = &before.allocation.authorities;
    if !rows.iter().any(|row| row.authority == args.authority) {
        return Err(Failure::input(format_args!(
            "--authority: {} draws nothing in {plan}: it is no province, city or county whose level \
             has a budget there",
            args.authority
        )));
    }
    for level in Level::ALL {
        let Some(budget) = budget_of(&mut draft, *level) else { continue };
        let own = rows.iter().filter(|row| row.level == *level);
        let more = |code: DivisionCode| if code == args.authority { args.batches } else { 0 };
        let table = own.map(|row| (row.authority, row.batches + more(row.authority)));
        set_table(budget, table);
        budget.total = budget.table.values().sum();
    }
    let progress = Progress::new();
    let again = Again {
        plan: &plan,
        seed_text: &args.seed_text,
        reason: &args.reason,
        keep_weight: None,
        out: args.out.as_deref(),
    };
    let all: Vec<Level> = policy.levels().collect();
    let text = again.draw(draft, &all, &[], &before, &mut *backend, &progress)?;
    progress.done();
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

/// Another plan that keeps the lines of an earlier one.
struct Again<'a> {
    plan: &'a str,
    seed_text: &'a str,
    reason: &'a str,
    keep_weight: Option<u64>,
    out: Option<&'a Path>,
}

impl Again<'_> {
    /// Draws by a policy whose budgets are fixed, of which the levels in `short` leave too little room for
    /// what was drawn; what there is to tell of it.
    fn draw(
        &self,
        mut draft: Draft,
        all: &[Level],
        short: &[Level],
        before: &Document,
        backend: &mut dyn Backend,
        progress: &Progress,
    ) -> Result<String, Failure> {
        // What keeps most first: all lines but those of levels that have too few batches.
        let mut tries: Vec<(&[Level], Option<u64>)> = Vec::new();
        let mut told = String::new();
        match self.keep_weight {
            Some(weight) => tries.push((all, Some(weight))),
            None if short.is_empty() => tries.push((&[], None)),
            None => {
                let levels: Vec<&str> = short.iter().map(|level| level.as_str()).collect();
                told = format!("fewer batches than lines to keep: {}\n", levels.join(", "));
                tries.extend(KEEP_WEIGHTS.map(|weight| (short, Some(weight))));
            }
        }
        if self.keep_weight.is_none() && short != all {
            tries.extend(KEEP_WEIGHTS.map(|weight| (all, Some(weight))));
        }
        let last = tries.len() - 1;
        let mut order = None;
        for (number, (levels, weight)) in tries.into_iter().enumerate() {
            draft.keep = Some(DraftKeep {
                plan: self.plan.to_owned(),
                weight,
                levels: levels.iter().map(ToString::to_string).collect(),
            });
            let policy = draft.check().map_err(|errors| Failure::input(PolicyErrors(errors)))?;
            order = Some((draft.clone(), policy.clone()));
            if number == last {
                break;
            }
            let answer = backend.check(draft.clone(), policy, progress)?;
            if answer.verdict() == FeasibilityVerdict::Feasible {
                break;
            }
            // Next all levels give way.
            if number + KEEP_WEIGHTS.len() == last {
                let why = answer.sentences_en.first().map_or("", String::as_str);
                told += &format!("not all lines can be kept: {why}\n");
            }
        }
        let Some((draft, policy)) = order else { return Err(Failure::other("nothing to draw")) };
        let order = PlanOrder {
            draft,
            policy,
            seed_text: self.seed_text.to_owned(),
            supersedes: Some((self.plan.to_owned(), self.reason.to_owned())),
        };
        let drawn = backend.draw(&order, progress)?;
        let bytes = backend.export(&drawn.plan.id)?;
        let changes = Changes::between(before, &document(&drawn.plan.id, &bytes)?);
        let mut text = told + &summary(&drawn);
        if let Some(path) = self.out {
            text += &write_out(path, &bytes)?;
        }
        text += &format!("\n{}", counts(&changes));
        Ok(text)
    }
}

/// The budget of a level, if it has one.
fn budget_of(draft: &mut Draft, level: Level) -> Option<&mut DraftLevel> {
    match level {
        Level::Province => draft.budget.province.as_mut(),
        Level::City => draft.budget.city.as_mut(),
        Level::County => draft.budget.county.as_mut(),
    }
}

/// Fixes a budget as a table.
fn set_table(budget: &mut DraftLevel, table: impl Iterator<Item = (DivisionCode, u64)>) {
    budget.split = String::new();
    budget.floor = 0;
    budget.table = table
        .filter(|(_, batches)| *batches > 0)
        .map(|(code, batches)| (code.to_string(), batches))
        .collect();
}

/// Writes the budgets of all authorities into a policy, with room for what was drawn; the levels that
/// have an authority without it.
fn fix_budgets(
    draft: &mut Draft,
    budgets: &[AuthorityBudget],
    before: &Document,
) -> Result<Vec<Level>, Failure> {
    let mut short = Vec::new();
    for level in Level::ALL {
        let own = budgets.iter().filter(|row| row.level == level.as_str());
        let own: Result<BTreeMap<DivisionCode, u64>, _> =
            own.map(|row| row.authority.parse().map(|code| (code, row.batches))).collect();
        let mut own = own.map_err(Failure::other)?;
        let mut drawn = BTreeMap::new();
        for line in before.drawn() {
            if line.level == *level {
                *drawn.entry(line.authority).or_insert(0) += 1;
            }
        }
        make_room(&mut own, &drawn);
        if drawn.iter().any(|(code, n)| own.get(code).is_none_or(|batches| batches < n))
            && !own.is_empty()
        {
            short.push(*level);
        }
        if let Some(budget) = budget_of(draft, *level) {
            set_table(budget, own.into_iter());
        }
    }
    Ok(short)
}

/// Runs `changes`.
pub(super) fn changes(args: &ChangesArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let read = |path: &Path| document(&path.display().to_string(), &files::plan(path)?);
    let changes = Changes::between(&read(&args.from)?, &read(&args.to)?);
    match args.format {
        ChangesFormat::Table => write!(out, "{}", counts(&changes)).map_err(Failure::stdout),
        ChangesFormat::Json => {
            let text = serde_json::to_string(&changes).map_err(Failure::other)?;
            writeln!(out, "{text}").map_err(Failure::stdout)
        }
        ChangesFormat::Csv => csv(&changes, out).map_err(Failure::stdout),
    }
}

fn document(name: &str, bytes: &[u8]) -> Result<Document, Failure> {
    Document::from_bytes(bytes)
        .map_err(|error| Failure::new(Exit::Differs, format_args!("{name} is no plan: {error}")))
}

/// How many lines each level keeps, gains and loses.
fn counts(changes: &Changes) -> Grid {
    let mut grid = Grid::new(&["lines", "number>"]);
    grid.row(["kept".to_owned(), grouped(changes.kept)]);
    for kind in [ChangeKind::Moved, ChangeKind::Dropped, ChangeKind::Added] {
        grid.row([kind.as_str().to_owned(), grouped(changes.count(kind))]);
    }
    grid
}

fn csv(changes: &Changes, out: &mut dyn Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "change",
        "enterprise_id",
        "product_id",
        "level_before",
        "authority_before",
        "channel_before",
        "wave_before",
        "level_after",
        "authority_after",
        "channel_after",
        "wave_after",
    ])?;
    for Change { kind, enterprise_id, product_id, before, after } in &changes.changes {
        let mut row = vec![kind.as_str().to_owned(), enterprise_id.clone(), product_id.clone()];
        for drawn in [before, after] {
            match drawn {
                Some(DrawnBy { level, authority, channel, wave }) => row.extend([
                    level.to_string(),
                    authority.to_string(),
                    channel.as_str().to_owned(),
                    wave.to_string(),
                ]),
                None => row.extend(std::iter::repeat_n(String::new(), 4)),
            }
        }
        writer.write_record(&row)?;
    }
    writer.flush()
}
