//! `freeze`, `seed`, `draw`, `issue`, `supersede`, `void`, `freezes`: plans step by step.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};

use crate::draw::share_commitment;
use crate::model::{Date, Digest, DivisionCode, parse_date};
use crate::plan::{DRAWS_MAX, SelfTest};
use crate::policy::{Draft, Policy};
use crate::service::planner::BundleForm;
use crate::service::v1;

use super::args::{PlanName, Target};
use super::backend::{Drawn, open};
use super::failure::Failure;
use super::files;
use super::plans::{summary, write_out};
use super::progress::Progress;
use super::table::Grid;

/// Options of `freeze`.
#[derive(Debug, Args)]
pub(super) struct FreezeArgs {
    #[command(flatten)]
    pub target: Target,
    /// The policy, a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub policy: std::path::PathBuf,
    /// Where the seed will come from: a text (unprotected), dice thrown before witnesses, a value
    /// that will be published, or the operating system
    #[arg(long, value_enum, default_value_t = SeedFrom::Ceremony)]
    pub seed_source: SeedFrom,
    /// Who will publish the value, e.g. a chain of a randomness beacon
    #[arg(long, value_name = "TEXT", required_if_eq("seed_source", "beacon"))]
    pub chain: Option<String>,
    /// Which value: a round, or a name and time
    #[arg(long, value_name = "TEXT", required_if_eq("seed_source", "beacon"))]
    pub round: Option<String>,
    /// File of the bureau's secret share, 64 hexadecimal digits; made, for its owner alone, if it
    /// is not there
    #[arg(long, value_name = "FILE", required_if_eq_any([("seed_source", "beacon"), ("seed_source", "ceremony")]))]
    pub share_file: Option<std::path::PathBuf>,
    /// The frozen record or plan of the same programme before this
    #[arg(long, value_name = "NAME", requires = "reason")]
    pub predecessor: Option<String>,
    /// Why there is another one
    #[arg(long, value_name = "TEXT", requires = "predecessor")]
    pub reason: Option<String>,
}

/// Where a seed comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SeedFrom {
    /// A text, unprotected
    Text,
    /// Dice thrown before witnesses
    Ceremony,
    /// A value that will be published
    Beacon,
    /// The operating system
    System,
}

/// A frozen record of a store.
#[derive(Debug, Args)]
pub(super) struct FreezeName {
    #[command(flatten)]
    pub target: Target,
    /// Name of the frozen record
    pub freeze: String,
}

/// Options of `seed`.
#[derive(Debug, Args)]
pub(super) struct SeedArgs {
    #[command(flatten)]
    pub name: FreezeName,
    /// What was thrown, published or typed: dice as digits 1 to 6 without separators (at least
    /// 50), the beacon's value in hexadecimal, or the text; not for the operating system's bytes
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub value: Option<String>,
    /// File of the bureau's share
    #[arg(long, value_name = "FILE")]
    pub share_file: Option<std::path::PathBuf>,
}

/// Options of `draw`.
#[derive(Debug, Args)]
pub(super) struct DrawArgs {
    #[command(flatten)]
    pub name: FreezeName,
    /// Write the plan file here
    #[arg(long, value_name = "PLAN.json")]
    pub out: Option<std::path::PathBuf>,
}

/// Options of `void`.
#[derive(Debug, Args)]
pub(super) struct VoidArgs {
    #[command(flatten)]
    pub target: Target,
    /// Name of the frozen record, or of its plan
    pub name: String,
    /// Why it is given up
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Options of `supersede`.
#[derive(Debug, Args)]
pub(super) struct SupersedeArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// The plan that takes its place
    #[arg(long, value_name = "PLAN")]
    pub by: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Options of `selftest`.
#[derive(Debug, Args)]
pub(super) struct SelfTestArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// Draws
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=DRAWS_MAX))]
    pub draws: u64,
    /// Error rate of each test
    #[arg(long, value_name = "RATE", default_value = "0.000001", value_parser = rate)]
    pub alpha: f64,
    /// A table for people, or JSON
    #[arg(long, value_enum, default_value_t = super::args::ShowFormat::Table)]
    pub format: super::args::ShowFormat,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if rate > 0.0 && rate < 1.0 { Ok(rate) } else { Err("must be above 0 and below 1".to_owned()) }
}

/// Options of `bundle`.
#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// Write the bundle here
    #[arg(long, value_name = "PLAN.zip")]
    pub out: std::path::PathBuf,
    /// For a county: her part, without any unit of another one
    #[arg(long, value_name = "CODE", value_parser = county, conflicts_with = "public")]
    pub county: Option<DivisionCode>,
    /// For everybody: no tiers, probabilities or cells, and only lines whose wave has ended
    #[arg(long)]
    pub public: bool,
    /// With the lines of waves that ended by this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, requires = "public")]
    pub sampled_until: Option<Date>,
}

/// The code of a county.
pub(super) fn county(text: &str) -> Result<DivisionCode, String> {
    let code = text.parse::<DivisionCode>().ok().filter(|code| code.digits() == 6);
    code.ok_or_else(|| "must be the code of a county, 6 digits".to_owned())
}

fn day(text: &str) -> Result<Date, String> {
    parse_date(text).ok_or_else(|| "must be a day such as 2026-07-31".to_owned())
}

/// Options of `freezes`.
#[derive(Debug, Args)]
pub(super) struct FreezesArgs {
    #[command(flatten)]
    pub target: Target,
}

/// What is to be frozen.
pub(super) struct FreezeOrder {
    /// The policy as written, for a message.
    pub draft: Draft,
    /// The same, checked.
    pub policy: Policy,
    /// What the seed may be.
    pub seed: SeedOrder,
    /// The record or plan before this, and why there is another one.
    pub predecessor: Option<(String, String)>,
}

/// What the seed may be.
pub(super) enum SeedOrder {
    /// A text.
    Text,
    /// Dice, with the commitment to the share.
    Ceremony(Digest),
    /// A published value: commitment to the share, who, which.
    Beacon(Digest, String, String),
    /// The operating system.
    System,
}

/// What a store and a server both do with plans step by step. Records come as the messages that
/// the service answers with, from a store as from a server.
pub(super) trait Steps {
    /// Freezes.
    fn freeze(
        &mut self,
        order: &FreezeOrder,
        progress: &Progress,
    ) -> Result<v1::FrozenPlan, Failure>;
    /// Seeds; `value` is empty for the operating system's bytes, `share` where there is none.
    fn seed(&mut self, freeze: &str, value: &str, share: &str) -> Result<v1::FrozenPlan, Failure>;
    /// Draws.
    fn draw_frozen(&mut self, freeze: &str, progress: &Progress) -> Result<Drawn, Failure>;
    /// Puts in force; the signed note.
    fn issue(&mut self, plan: &str) -> Result<String, Failure>;
    /// Gives up.
    fn void(&mut self, name: &str, reason: &str) -> Result<v1::FrozenPlan, Failure>;
    /// Whether a policy's quotas can be met, on the latest revision.
    fn check(
        &mut self,
        draft: Draft,
        policy: Policy,
        progress: &Progress,
    ) -> Result<v1::CheckFeasibilityResponse, Failure>;
    /// All frozen records, ascending by name.
    fn freezes(&mut self) -> Result<Vec<v1::FrozenPlan>, Failure>;
    /// The signed head of the log and its key.
    fn checkpoint(&mut self) -> Result<(String, String), Failure>;
    /// Entries of the log from `start` on, some of them; none at the end.
    fn entries(&mut self, start: u64) -> Result<Vec<String>, Failure>;
    /// The proof that an entry is in the log.
    fn prove(&mut self, sequence: u64) -> Result<crate::audit::log::InclusionProof, Failure>;
    /// Why an enterprise, or one of its units, is drawn or not: a JSON object.
    fn explain(
        &mut self,
        plan: &str,
        enterprise: &str,
        product: Option<&str>,
        county: Option<&str>,
    ) -> Result<serde_json::Value, Failure>;
    /// Draws a plan's design again and again, and judges the draws.
    fn selftest(
        &mut self,
        plan: &str,
        draws: u64,
        alpha: f64,
        progress: &Progress,
    ) -> Result<SelfTest, Failure>;
    /// Hands out all of the store to a copy.
    fn copy(&mut self, copy: &mut crate::service::planner::Copy) -> Result<(), Failure>;
    /// Reads all of the store.
    fn check_store(&mut self) -> Result<crate::service::planner::Checked, Failure>;
    /// Ends a plan in favour of a later one.
    fn supersede(&mut self, plan: &str, by: &str, reason: &str) -> Result<(), Failure>;
    /// Notes that a line fell out.
    fn replace(
        &mut self,
        plan: &str,
        line: u32,
        reason: &str,
        evidence: &str,
    ) -> Result<v1::ReplaceLineResponse, Failure>;
    /// All lines that fell out, in the order of the log.
    fn replacements(&mut self, plan: &str) -> Result<Vec<v1::Replacement>, Failure>;
    /// What a plan comes to now.
    fn standing(&mut self, plan: &str) -> Result<v1::GetPlanStandingResponse, Failure>;
    /// The bytes of a plan's bundle.
    fn bundle(&mut self, plan: &str, form: BundleForm) -> Result<Vec<u8>, Failure>;
    /// The proof that the log begins with what it was.
    fn prove_growth(&mut self, old: u64) -> Result<crate::audit::log::ConsistencyProof, Failure>;
}

/// The id of a frozen record, with or without the collection that it is in.
pub(super) fn freeze_id(text: &str) -> &str {
    text.strip_prefix("freezes/").unwrap_or(text)
}

/// The resource name of a frozen record or plan of which only the id may be given.
pub(super) fn resource(text: &str) -> String {
    let is_freeze = text.rsplit_once("-f").is_some_and(|(_, number)| {
        !number.is_empty() && number.len() < 8 && number.bytes().all(|b| b.is_ascii_digit())
    });
    if text.starts_with("plans/") || text.starts_with("freezes/") {
        text.to_owned()
    } else if is_freeze {
        format!("freezes/{text}")
    } else {
        format!("plans/{text}")
    }
}

/// Runs `freeze`.
pub(super) fn freeze(
    args: &FreezeArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (draft, policy) = files::policy(&args.policy)?;
    let share = || -> Result<Digest, Failure> {
        match &args.share_file {
            Some(path) => Ok(share_commitment(&share(path, true)?)),
            None => Err(Failure::input("--share-file is needed")),
        }
    };
    let seed = match args.seed_source {
        SeedFrom::Text => SeedOrder::Text,
        SeedFrom::Ceremony => SeedOrder::Ceremony(share()?),
        SeedFrom::Beacon => SeedOrder::Beacon(
            share()?,
            args.chain.clone().unwrap_or_default(),
            args.round.clone().unwrap_or_default(),
        ),
        SeedFrom::System => SeedOrder::System,
    };
    let predecessor = args.predecessor.clone().zip(args.reason.clone());
    let order = FreezeOrder { draft, policy, seed, predecessor };
    let mut backend = open(&args.target, threads, false)?;
    let progress = Progress::new();
    let frozen = backend.freeze(&order, &progress);
    progress.done();
    write(out, &about(&frozen?))
}

/// Runs `seed`.
pub(super) fn seed(args: &SeedArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let share = match &args.share_file {
        Some(path) => hex::encode(share(path, false)?),
        None => String::new(),
    };
    let value = args.value.as_deref().unwrap_or_default();
    let mut backend = open(&args.name.target, threads, false)?;
    let frozen = backend.seed(freeze_id(&args.name.freeze), value, &share)?;
    write(out, &about(&frozen))
}

/// Runs `draw`.
pub(super) fn draw(args: &DrawArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        files::check_writable(path)?;
    }
    let mut backend = open(&args.name.target, threads, false)?;
    let progress = Progress::new();
    let drawn = backend.draw_frozen(freeze_id(&args.name.freeze), &progress);
    progress.done();
    let drawn = drawn?;
    let mut text = summary(&drawn);
    if let Some(path) = &args.out {
        let bytes = backend.export(&drawn.plan.id)?;
        text += &write_out(path, &bytes)?;
    }
    write(out, &text)
}

/// Runs `issue`: prints the signed note.
pub(super) fn issue(args: &PlanName, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let note = open(&args.target, threads, false)?.issue(super::backend::plan_id(&args.plan))?;
    write(out, &note)
}

/// Runs `selftest`.
pub(super) fn selftest(
    args: &SelfTestArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut backend = open(&args.name.target, threads, false)?;
    let progress = Progress::new();
    let plan = super::backend::plan_id(&args.name.plan);
    let found = backend.selftest(plan, args.draws, args.alpha, &progress);
    progress.done();
    let found = found?;
    if args.format == super::args::ShowFormat::Json {
        serde_json::to_writer(&mut *out, &found).map_err(|e| Failure::stdout(e.into()))?;
        write(out, "\n")?;
    } else {
        let mut grid = Grid::new(&["test", "looked at", "found", "fails if"]);
        let alpha = found.alpha;
        grid.row([
            "rows, budgets, capacities".to_owned(),
            format!("{} rows in {} draws", found.rows, found.draws),
            format!("{} violations", found.violations),
            "any".to_owned(),
        ]);
        grid.row([
            "roundings up of each arc".to_owned(),
            format!("{} arcs, exact tails", found.arcs),
            format!("p {:.3} after Holm, arc {}", found.smallest_p, found.least_likely_arc),
            format!("p < {alpha}"),
        ]);
        grid.row([
            "all arcs of each draw".to_owned(),
            format!("{} draws", found.draws),
            format!("mean z² {:.4}, {:.2} errors from 1", found.mean_z2, found.standard_errors),
            format!("its p < {alpha}"),
        ]);
        grid.row([
            "ranks of the lots".to_owned(),
            format!("{} cells", found.ranked_cells),
            format!("p {:.3}", found.ranks_p),
            format!("p < {alpha}"),
        ]);
        write(out, &grid.to_string())?;
    }
    if found.passes {
        Ok(())
    } else {
        let text = format!("{plan}: redraws break a row or are biased");
        Err(Failure::new(super::failure::Exit::Differs, text))
    }
}

/// Runs `bundle`.
pub(super) fn bundle(
    args: &BundleArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    files::check_writable(&args.out)?;
    let plan = super::backend::plan_id(&args.name.plan);
    let form = match (args.county, args.public) {
        (Some(county), _) => BundleForm::County(county),
        (None, true) => BundleForm::Public(args.sampled_until),
        (None, false) => BundleForm::Whole,
    };
    let bytes = open(&args.name.target, threads, false)?.bundle(plan, form)?;
    files::write_whole(&args.out, &bytes)?;
    let (shown, size) = (args.out.display(), super::table::grouped(bytes.len() as u64));
    write(
        out,
        &format!("bundle     {shown}\nbytes      {size}\nsha256     {}\n", Digest::of(&bytes)),
    )
}

/// Runs `supersede`.
pub(super) fn supersede(
    args: &SupersedeArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    use super::backend::plan_id;
    let (old, new) = (plan_id(&args.name.plan), plan_id(&args.by));
    open(&args.name.target, threads, false)?.supersede(old, new, &args.reason)?;
    write(out, &format!("plan       {old}\nstate      superseded by {new}\n"))
}

/// Runs `void`.
pub(super) fn void(args: &VoidArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let frozen = open(&args.target, threads, false)?.void(&args.name, &args.reason)?;
    write(out, &about(&frozen))
}

/// Runs `freezes`.
pub(super) fn freezes(
    args: &FreezesArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut grid = Grid::new(&["record", "state", "draw", "seed from", "plan", "after", "why"]);
    for frozen in open(&args.target, threads, false)?.freezes()? {
        grid.row([
            freeze_id(&frozen.name).to_owned(),
            state(&frozen).to_owned(),
            format!("no. {} of the programme", frozen.number),
            source(&frozen),
            super::backend::plan_id(&frozen.plan).to_owned(),
            freeze_id(&frozen.predecessor).to_owned(),
            frozen.reason.clone(),
        ]);
    }
    write(out, &grid.to_string())
}

fn write(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

fn state(frozen: &v1::FrozenPlan) -> &'static str {
    match frozen.state() {
        v1::FrozenState::Unspecified => "unknown",
        v1::FrozenState::Frozen => "frozen",
        v1::FrozenState::Seeded => "seeded",
        v1::FrozenState::Drawn => "drawn",
        v1::FrozenState::Issued => "issued",
        v1::FrozenState::Superseded => "superseded",
        v1::FrozenState::Void => "void",
    }
}

fn source(frozen: &v1::FrozenPlan) -> String {
    use v1::seed_terms::Source;
    match frozen.terms.as_ref().and_then(|terms| terms.source.as_ref()) {
        Some(Source::Text(_)) => "text (unprotected)".to_owned(),
        Some(Source::Ceremony(_)) => "ceremony".to_owned(),
        Some(Source::Beacon(beacon)) => format!("{}, {}", beacon.chain, beacon.round),
        Some(Source::System(_)) => "operating system".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// What a frozen record says for itself.
fn about(frozen: &v1::FrozenPlan) -> String {
    let mut text = format!("record     {}\n", freeze_id(&frozen.name));
    text += &format!("state      {}\n", state(frozen));
    text += &format!("frame      {}\n", frozen.frame.trim_start_matches("frames/"));
    text += &format!("policy     {}\n", frozen.policy_digest);
    text += &format!("design     {}\n", frozen.design_digest);
    text += &format!("seed from  {}\n", source(frozen));
    if !frozen.seed_commitment.is_empty() {
        text += &format!("seed       {} (commitment)\n", frozen.seed_commitment);
    }
    if frozen.number > 1 {
        let of = format!("{}, after {}", frozen.number, freeze_id(&frozen.predecessor));
        text += &format!("draw       no. {of}: {}\n", frozen.reason);
    }
    if frozen.number_of_frame > 1 {
        text += &format!("           no. {} of this very frame\n", frozen.number_of_frame);
    }
    text
}

/// The bureau's share in a file; made if it is not there and may be.
fn share(path: &Path, create: bool) -> Result<[u8; 32], Failure> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            let mut share = [0; 32];
            hex::decode_to_slice(text.trim_end(), &mut share).map_err(|_| {
                Failure::input(format_args!("{shown}: must hold 64 hexadecimal digits"))
            })?;
            Ok(share)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => {
            let mut share = [0; 32];
            getrandom::fill(&mut share).map_err(Failure::other)?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                options.mode(0o600);
            }
            let written = options.open(path).and_then(|mut file| {
                file.write_all(format!("{}\n", hex::encode(share)).as_bytes())?;
                file.sync_all()
            });
            written.map_err(|error| Failure::other(format_args!("{shown}: {error}")))?;
            Ok(share)
        }
        Err(error) => Err(files::cannot_read(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_collection() {
        assert_eq!(resource("a-2026-f12"), "freezes/a-2026-f12");
        assert_eq!(resource("a-2026-f12345678901"), "plans/a-2026-f12345678901");
        assert_eq!(resource("a-2026-0123456789ab"), "plans/a-2026-0123456789ab");
        assert_eq!(resource("plans/a-f1"), "plans/a-f1");
    }

    #[test]
    fn a_share_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("share");
        assert!(share(&path, false).is_err());
        let made = share(&path, true).unwrap();
        assert_eq!(share(&path, true).unwrap(), made);
        assert_eq!(share(&path, false).unwrap(), made);
        fs::write(&path, "00").unwrap();
        assert!(share(&path, true).is_err());
    }
}
