//! `replan` and `changes`: another plan that keeps what an earlier one drew, and what it changed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::args::Target;
use super::backend::{PlanOrder, open, plan_id};
use super::failure::{Exit, Failure};
use super::files;
use super::plans::{summary, write_out};
use super::progress::Progress;
use super::table::{Grid, grouped};
use crate::model::{DivisionCode, Level};
use crate::plan::{Change, ChangeKind, Changes, Document, DrawnBy, make_room};
use crate::policy::{Draft, DraftKeep, PolicyErrors};
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
    // What keeps most first: all lines but those of levels that have too few batches.
    let mut tries: Vec<(&[Level], Option<u64>)> = Vec::new();
    let mut told = String::new();
    match args.keep_weight {
        Some(weight) => tries.push((&all, Some(weight))),
        None if short.is_empty() => tries.push((&[], None)),
        None => {
            let levels: Vec<&str> = short.iter().map(|level| level.as_str()).collect();
            told = format!("fewer batches than lines to keep: {}\n", levels.join(", "));
            tries.extend(KEEP_WEIGHTS.map(|weight| (short.as_slice(), Some(weight))));
        }
    }
    if args.keep_weight.is_none() && short != all {
        tries.extend(KEEP_WEIGHTS.map(|weight| (all.as_slice(), Some(weight))));
    }
    let last = tries.len() - 1;
    let mut order = None;
    for (number, (levels, weight)) in tries.into_iter().enumerate() {
        draft.keep = Some(DraftKeep {
            plan: plan.clone(),
            weight,
            levels: levels.iter().map(ToString::to_string).collect(),
        });
        let policy = draft.check().map_err(|errors| Failure::input(PolicyErrors(errors)))?;
        order = Some((draft.clone(), policy.clone()));
        if number == last {
            break;
        }
        let answer = backend.check(draft.clone(), policy, &progress)?;
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
        seed_text: args.seed_text.clone(),
        supersedes: Some((args.plan.clone(), args.reason.clone())),
    };
    let drawn = backend.draw(&order, &progress)?;
    progress.done();
    let bytes = backend.export(&drawn.plan.id)?;
    let changes = Changes::between(&before, &document(&drawn.plan.id, &bytes)?);
    let mut text = told + &summary(&drawn);
    if let Some(path) = &args.out {
        text += &write_out(path, &bytes)?;
    }
    text += &format!("\n{}", counts(&changes));
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
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
        let slot = match level {
            Level::Province => &mut draft.budget.province,
            Level::City => &mut draft.budget.city,
            Level::County => &mut draft.budget.county,
        };
        if let Some(budget) = slot {
            budget.split = String::new();
            budget.floor = 0;
            budget.table = own
                .into_iter()
                .filter(|(_, batches)| *batches > 0)
                .map(|(code, batches)| (code.to_string(), batches))
                .collect();
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
