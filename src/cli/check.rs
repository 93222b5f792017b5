//! `check`: whether a policy's quotas can be met, before anything is frozen or drawn.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::Target;
use super::backend::open;
use super::failure::{Exit, Failure};
use super::files;
use super::progress::Progress;
use super::table::{Grid, clean, grouped};
use crate::service::v1;

/// Rows with their head-room that are shown to people; JSON has them all.
const ROWS_SHOWN: usize = 12;

/// Options of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub target: Target,
    /// The policy (TOML)
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Sentences and tables for people, or JSON
    #[arg(long, value_enum, default_value_t = CheckFormat::Table)]
    pub format: CheckFormat,
    /// Language of the sentences
    #[arg(long, value_enum, default_value_t = CheckLanguage::En)]
    pub lang: CheckLanguage,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// Sentences and tables for people
    Table,
    /// One JSON object: the service's answer
    Json,
}

/// Which sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckLanguage {
    /// English
    En,
    /// 中文
    Zh,
}

/// Runs `check`.
pub(super) fn run(args: &CheckArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let (draft, policy) = files::policy(&args.policy)?;
    let mut backend = open(&args.target, threads, false)?;
    let progress = Progress::new();
    let answer = backend.check(draft, policy, &progress);
    progress.done();
    let answer = answer?;
    let text = match args.format {
        CheckFormat::Json => serde_json::to_string(&answer).map_err(Failure::other)? + "\n",
        CheckFormat::Table => words(&answer, args.lang),
    };
    // The answer is on record before the exit code says that it is no.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::stdout)?;
    match answer.verdict() {
        v1::FeasibilityVerdict::Feasible => Ok(()),
        v1::FeasibilityVerdict::NotCertified => {
            Err(Failure::new(Exit::Refused, "no certified design was found"))
        }
        _ => Err(Failure::new(Exit::Refused, "the quotas cannot all be met")),
    }
}

fn words(answer: &v1::CheckFeasibilityResponse, language: CheckLanguage) -> String {
    let sentences = match language {
        CheckLanguage::En => &answer.sentences_en,
        CheckLanguage::Zh => &answer.sentences_zh,
    };
    let mut text = sentences.iter().map(|said| clean(said) + "\n").collect::<String>();
    if !answer.places.is_empty() {
        let mut grid = Grid::new(&["where", "scope", "group", "what"]);
        for place in &answer.places {
            grid.row([
                place.rule.clone(),
                place.scope.clone(),
                place.group.clone(),
                place.why.clone(),
            ]);
        }
        text += &format!("\n{grid}");
        let more = answer.place_count.saturating_sub(answer.places.len() as u64);
        if more > 0 {
            text += &format!("and {} more\n", grouped(more));
        }
    }
    if !answer.rows.is_empty() {
        let mut grid =
            Grid::new(&["tightest rows", "scope", "group", "asked", "least>", "most>", "room>"]);
        for row in answer.rows.iter().take(ROWS_SHOWN) {
            grid.row([
                row.quota.clone(),
                row.scope.clone(),
                row.group.clone(),
                format!("{} {}", row.bound, row.asked),
                grouped(row.guaranteed_low),
                grouped(row.guaranteed_high),
                grouped(row.room),
            ]);
        }
        text += &format!("\n{grid}");
    }
    text
}
