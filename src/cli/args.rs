//! What can be typed: commands, options, and what each is for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::generate::{UNITS_MAX, UNITS_MIN};
use crate::model::{DivisionCode, IdScheme, Level};
use crate::registry::Mode;

use super::settings::SettingFlags;

/// Units of the province that `demo` makes.
const DEMO_UNITS: u64 = 100_000;

/// Plans random product-quality spot checks: certain quotas, exact probabilities, draws that
/// anyone can repeat.
///
/// Exit codes: 0 done, and holds; 2 wrong usage or input; 3 the quotas cannot be met; 4 a
/// verification fails, a second draw differs or a checked store is not whole; 1 anything else.
#[derive(Debug, Parser)]
#[command(name = "spotcheck", version, max_term_width = 100)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Threads to use; changes no result [default: as many as the machine has]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
}

impl Cli {
    /// Threads to use, at least 1.
    pub fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => threads as usize,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// A command.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Import CSV files as a new revision of the registry: all rows or none
    Import(ImportArgs),
    /// Say whether a policy's quotas can be met; if not, which clash, where, and what would do
    Check(super::check::CheckArgs),
    /// Freeze, seed with a text and draw in one
    Plan(PlanArgs),
    /// Draw another plan that keeps the lines of an earlier one where it can
    Replan(super::replan::ReplanArgs),
    /// Give an authority more batches: all lines stay, and a fresh seed draws the further ones
    Topup(super::replan::TopupArgs),
    /// Compare two plan files of a programme, line by line
    Changes(super::replan::ChangesArgs),
    /// List the plans
    Plans(PlansArgs),
    /// Show a plan: budgets, quotas, allocation, probabilities, exclusions
    Show(ShowArgs),
    /// Write the lines of a plan: drawn units, then replacement units
    Lines(LinesArgs),
    /// Draw a plan again from what is stored, and compare every byte
    Regenerate(PlanName),
    /// Check a plan file or a bundle offline: log, signatures, digests, certificate, lots, quotas
    Verify(VerifyArgs),
    /// Freeze frame, policy, design and the terms of the seed, before the seed exists
    Freeze(super::steps::FreezeArgs),
    /// Give a frozen record its seed
    Seed(super::steps::SeedArgs),
    /// Draw the plan of a frozen and seeded record
    Draw(super::steps::DrawArgs),
    /// Put a plan in force: sign its file
    Issue(PlanName),
    /// Say why an enterprise's units are drawn or not: frame, probability, lot, rank, threshold
    Explain(super::explain::ExplainArgs),
    /// Draw a plan's design many times over and test the draws: quotas, probabilities, lots
    Selftest(super::steps::SelfTestArgs),
    /// Write a plan's bundle: plan file, log and signatures in one file
    Bundle(super::steps::BundleArgs),
    /// End a plan in favour of a later one of its programme, before that one is issued
    Supersede(super::steps::SupersedeArgs),
    /// Give up a frozen record, with its plan if it has one
    Void(super::steps::VoidArgs),
    /// Note that a line fell out in the field: the next replacement unit takes its place
    Replace(super::replace::ReplaceArgs),
    /// Show the lines that fell out, how often by authority, and what the plan comes to
    Replacements(super::replace::ReplacementsArgs),
    /// List the frozen records
    Freezes(super::steps::FreezesArgs),
    /// Back a store up, restore it, or check that it is whole
    #[command(subcommand)]
    Store(super::store::StoreCommand),
    /// The log of all steps: show it, prove it, check proofs
    #[command(subcommand)]
    Log(super::log::LogCommand),
    /// Serve the gRPC interface
    Serve(ServeArgs),
    /// Write the CSV files of a synthetic province
    Generate(GenerateArgs),
    /// Show everything on a synthetic province: import over gRPC, draw, verify, draw again
    Demo(DemoArgs),
}

/// Where the registry and the plans are.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub access: Access,
}

/// How a server is reached.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Access {
    /// For https: certificates of whom to trust, PEM
    #[arg(long, value_name = "FILE.pem", requires = "server")]
    pub tls_ca: Option<PathBuf>,
    /// The client's own certificate, where the server wants one, PEM
    #[arg(long, value_name = "FILE.pem", requires_all = ["server", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE.pem", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// File with the bearer token; else the variable SPOTCHECK_TOKEN has it, if a token is needed
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
}

/// A store of this machine or a server.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// Directory of the store
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Address of a running `spotcheck serve`, e.g. http://127.0.0.1:50051 or https://host:50051
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    pub target: Target,
    /// Directory with any of divisions.csv, products.csv, enterprises.csv, supply.csv, tiers.csv,
    /// history.csv (the first import needs the first four)
    #[arg(long, value_name = "CSVDIR")]
    pub dir: PathBuf,
    /// Rule of enterprise ids: unified social credit codes, or any
    #[arg(long, value_enum, default_value_t = Scheme::Uscc)]
    pub id_scheme: Scheme,
    /// Whether each file is its whole table, or changes rows of it
    #[arg(long, value_enum, default_value_t = ImportMode::Replace)]
    pub mode: ImportMode,
    /// Number of the revision to build on; refused if it is not the latest (0: there is none yet)
    #[arg(long, value_name = "REVISION")]
    pub base: Option<u64>,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub target: Target,
    /// The policy, a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub policy: PathBuf,
    /// The seed, e.g. digits thrown before witnesses; counts byte for byte as typed
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub seed_text: String,
    /// Write the plan file here
    #[arg(long, value_name = "PLAN.json")]
    pub out: Option<PathBuf>,
    /// The latest plan of the same programme, which this one supersedes; both stay on record
    #[arg(long, value_name = "PLAN", requires = "reason")]
    pub supersedes: Option<String>,
    /// Why it supersedes that plan
    #[arg(long, value_name = "TEXT", requires = "supersedes")]
    pub reason: Option<String>,
}

/// Options of `plans`.
#[derive(Debug, Args)]
pub(super) struct PlansArgs {
    #[command(flatten)]
    pub target: Target,
}

/// A plan of a store.
#[derive(Debug, Args)]
pub(super) struct PlanName {
    #[command(flatten)]
    pub target: Target,
    /// Name of the plan
    pub plan: String,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// A table for people, or the plan file
    #[arg(long, value_enum, default_value_t = ShowFormat::Table)]
    pub format: ShowFormat,
    /// Every authority and every row of every quota
    #[arg(long)]
    pub full: bool,
}

/// Options of `lines`.
#[derive(Debug, Args)]
pub(super) struct LinesArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// Only lines that this level draws
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub level: Option<Level>,
    /// Only lines that this authority draws
    #[arg(long, value_name = "CODE", value_parser = division)]
    pub authority: Option<DivisionCode>,
    /// How to write them
    #[arg(long, value_enum)]
    pub format: LinesFormat,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The plan file, a bundle, or an explanation as JSON
    pub file: PathBuf,
    /// For a bundle: the log's public key as you know it from elsewhere, or a file that holds it
    #[arg(long, value_name = "KEY|FILE")]
    pub key: Option<String>,
    /// For a bundle: a signed head of the log that you were given before; may be repeated
    #[arg(long, value_name = "FILE")]
    pub earlier: Vec<PathBuf>,
    /// For a county's bundle: the county that it must be of
    #[arg(long, value_name = "CODE", value_parser = super::steps::county)]
    pub county: Option<crate::model::DivisionCode>,
    /// For a plan file that keeps lines of an earlier plan: that plan's file
    #[arg(long, value_name = "PLAN.json")]
    pub kept: Option<PathBuf>,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Configuration file (TOML); the environment and the command line go before it
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Print what holds in the end, with where each value comes from, and exit
    #[arg(long)]
    pub print_config: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Options of `generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// Units (enterprise × product) to make
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(UNITS_MIN..=UNITS_MAX))]
    pub units: u64,
    /// Number that determines everything
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// Directory of the files; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Units (enterprise × product) of the province
    #[arg(long, value_name = "N", default_value_t = DEMO_UNITS,
          value_parser = clap::value_parser!(u64).range(UNITS_MIN..=UNITS_MAX))]
    pub units: u64,
    /// Keep the files, the store and the plan in this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// See [`IdScheme`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Scheme {
    /// Unified social credit codes with a verified check character
    Uscc,
    /// Any 1-64 of `A-Z a-z 0-9 . _ -`
    Opaque,
}

impl From<Scheme> for IdScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Uscc => IdScheme::Uscc,
            Scheme::Opaque => IdScheme::Opaque,
        }
    }
}

/// See [`Mode`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ImportMode {
    /// Each file is its whole table
    Replace,
    /// Each file adds, changes or (column `_delete`) removes rows
    Upsert,
}

impl From<ImportMode> for Mode {
    fn from(mode: ImportMode) -> Self {
        match mode {
            ImportMode::Replace => Mode::Replace,
            ImportMode::Upsert => Mode::Upsert,
        }
    }
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ShowFormat {
    /// Tables for people
    Table,
    /// The plan file, byte for byte
    Json,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LinesFormat {
    /// RFC 4180 with a header row
    Csv,
    /// One array, one line of text for each line of the plan
    Json,
}

fn level(text: &str) -> Result<Level, String> {
    text.parse().map_err(|error: crate::model::UnknownTerm| error.to_string())
}

fn division(text: &str) -> Result<DivisionCode, String> {
    text.parse().map_err(|error: crate::model::IdError| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exactly_one_place_is_asked_for() {
        let none = Cli::try_parse_from(["spotcheck", "plans"]);
        let both = ["spotcheck", "plans", "--store", "s", "--server", "http://127.0.0.1:1"];
        assert_eq!(none.unwrap_err().exit_code(), 2);
        assert_eq!(Cli::try_parse_from(both).unwrap_err().exit_code(), 2);
        assert!(Cli::try_parse_from(["spotcheck", "plans", "--store", "s"]).is_ok());
    }

    #[test]
    fn a_plan_that_supersedes_another_says_why() {
        let one = ["--supersedes", "p", "--reason", "r"];
        let base = ["spotcheck", "plan", "--store", "s", "--policy", "p", "--seed-text", "-5"];
        for part in [&one[..2], &one[2..]] {
            assert!(Cli::try_parse_from(base.iter().chain(part)).is_err());
        }
        assert!(Cli::try_parse_from(base.iter().chain(&one)).is_ok());
        assert!(Cli::try_parse_from(base).is_ok());
    }
}
