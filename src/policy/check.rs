//! From what is written to what is meant: everything that can be checked in a policy alone.

use std::collections::BTreeMap;

use super::draft::{
    Draft, DraftBudget, DraftKeep, DraftLevel, DraftPeriod, DraftWave, DraftWindow,
};
use super::error::PolicyError;
use super::types::{Keep, LevelBudget, Method, Period, Policy, Split, Wave, Window};
use super::weights::MULTIPLIER_MAX;
use crate::model::{Date, DivisionCode, HashName, Level, Ratio, RatioError, check_id, parse_date};

/// Most characters of a title, a name or a reason.
pub const TEXT_CHARS_MAX: usize = 200;
/// Most batches of a level: some hundred times what a province draws in a year.
pub const BATCHES_MAX: u64 = 10_000_000;
/// Most divisions in the table of a level's budget.
const TABLE_MAX: usize = 10_000;
/// Most waves of a plan.
const WAVES_MAX: usize = 32;
/// Longest no-repeat window in months.
const WINDOW_MONTHS_MAX: u64 = 120;
/// Most outcomes exempt from the window.
const EXEMPT_MAX: usize = 100;
/// Most replacement units for a line.
const PER_LINE_MAX: u64 = 100;

/// Errors found so far, and the checks that all rooms of the grammar share.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<PolicyError>);

impl Findings {
    /// Notes that `value` at `path` is not what is `expected`.
    pub(super) fn add(&mut self, path: &str, value: &str, expected: impl Into<String>) {
        self.0.push(PolicyError::new(path, value, expected));
    }

    /// Checks a text that people read: bounded, without control characters or blanks at its ends.
    pub(super) fn text(&mut self, path: &str, text: &str) -> bool {
        let fits = text.chars().count() <= TEXT_CHARS_MAX;
        let clean = text.trim() == text && !text.chars().any(char::is_control);
        if !fits {
            self.add(path, text, format!("a text of at most {TEXT_CHARS_MAX} characters"));
        } else if !clean {
            self.add(path, text, "a text on one line without blanks at its ends");
        }
        fits && clean
    }

    /// As [`Findings::text`], and not empty.
    pub(super) fn required(&mut self, path: &str, text: &str, what: &str) -> bool {
        if text.is_empty() {
            self.add(path, "", what);
        }
        !text.is_empty() && self.text(path, text)
    }

    pub(super) fn date(&mut self, path: &str, text: &str) -> Option<Date> {
        let date = parse_date(text);
        if date.is_none() {
            self.add(path, text, "a date such as \"2026-12-31\"");
        }
        date
    }

    pub(super) fn share(&mut self, path: &str, text: &str) -> Option<Ratio> {
        match text.parse() {
            Ok(share) => return Some(share),
            Err(RatioError::AboveOne) => self.add(path, text, "a share of at most 100%"),
            Err(RatioError::Syntax) => self.add(
                path,
                text,
                "a share in quotes such as \"30%\", \"1.5%\" or \"0.3\", of at most 6 decimals",
            ),
        }
        None
    }

    pub(super) fn at_most(&mut self, path: &str, count: usize, max: usize, what: &str) {
        if count > max {
            self.add(path, &count.to_string(), format!("at most {max} {what}"));
        }
    }

    fn level_name(&mut self, path: &str, text: &str) -> Option<Level> {
        let level = text.parse().ok();
        if level.is_none() {
            self.add(path, text, "province, city or county");
        }
        level
    }
}

impl Draft {
    /// Checks everything that a policy can be checked for without a registry, and gives it its
    /// meaning: defaults filled in, numbers exact, lists in canonical order.
    ///
    /// # Errors
    /// All that is wrong, in the grammar's order, without lines.
    pub fn check(&self) -> Result<Policy, Vec<PolicyError>> {
        let mut found = Findings::default();
        if check_id(&self.id).is_err() {
            let expected = "1-64 characters of A-Z a-z 0-9 . _ -, first a letter or digit";
            found.add("id", &self.id, expected);
        }
        found.text("title", &self.title);
        let method = match self.method.as_str() {
            "m1" => Some(Method::M1),
            other => {
                found.add("method", other, "m1");
                None
            }
        };
        let hash = match self.hash.as_str() {
            "" => HashName::Sha256,
            text => text.parse().unwrap_or_else(|()| {
                found.add("hash", text, "sha-256 or sm3");
                HashName::Sha256
            }),
        };
        let period = self.period.check(&mut found);
        let as_of = found.date("as_of", &self.as_of);
        if let (Some(period), Some(as_of)) = (period, as_of)
            && as_of > period.to
        {
            found.add("as_of", &self.as_of, format!("a day not after the period ({})", period.to));
        }
        let floor = match self.floor.as_str() {
            "" => Some(Ratio::ZERO),
            text => found.share("floor", text),
        };
        let budget = self.budget.check(&mut found);
        let written = self.budget.levels().map(|level| level.is_some());
        // A level whose budget is wrong must not make other keys look wrong too.
        let sound =
            budget.each_ref().map(|level| level.is_some()) == written && written.contains(&true);
        let batches = sound.then(|| budget.iter().flatten().map(|level| level.total).sum());
        let quotas = super::rules::quotas(&self.quota, batches, &mut found);
        let weights = super::weights::check(&self.weights, &mut found);
        let certain = super::rules::certain(&self.certain, written, &mut found);
        let exclude = super::rules::exclude(&self.exclude, &mut found);
        let window = self.window.as_ref().map(|window| window.check(&mut found));
        let keep = self.keep.as_ref().map(|keep| keep.check(written, &mut found));
        let per_line = self.replacements.per_line;
        if per_line > PER_LINE_MAX {
            let expected = format!("0 to {PER_LINE_MAX} replacement units for a line");
            found.add("replacements.per_line", &per_line.to_string(), expected);
        }
        let own_reasons = super::reasons::check(&self.replacements.reason, &mut found);
        let waves = waves(&self.wave, period, &mut found);
        match (method, period, as_of, floor) {
            (Some(method), Some(period), Some(as_of), Some(floor)) if found.0.is_empty() => {
                Ok(Policy {
                    id: self.id.clone(),
                    title: self.title.clone(),
                    method,
                    hash,
                    period,
                    as_of,
                    floor,
                    budget,
                    quotas,
                    weights,
                    certain,
                    exclude,
                    window,
                    keep,
                    replacements_per_line: per_line as u32,
                    own_reasons,
                    waves,
                })
            }
            _ => Err(found.0),
        }
    }
}

impl DraftPeriod {
    fn check(&self, found: &mut Findings) -> Option<Period> {
        let from = found.date("period.from", &self.from);
        let to = found.date("period.to", &self.to);
        let (from, to) = (from?, to?);
        if from > to {
            found.add("period.to", &self.to, format!("a day not before the first ({from})"));
            return None;
        }
        Some(Period { from, to })
    }
}

impl DraftBudget {
    fn levels(&self) -> [Option<&DraftLevel>; 3] {
        [self.province.as_ref(), self.city.as_ref(), self.county.as_ref()]
    }

    fn check(&self, found: &mut Findings) -> [Option<LevelBudget>; 3] {
        let levels = self.levels();
        if levels.iter().all(Option::is_none) {
            found.add("budget", "", "a budget of at least one of province, city and county");
        }
        let mut budget = [None, None, None];
        for level in Level::ALL {
            if let Some(draft) = levels[level.index()] {
                budget[level.index()] = draft.check(*level, found);
            }
        }
        budget
    }
}

impl DraftLevel {
    fn check(&self, level: Level, found: &mut Findings) -> Option<LevelBudget> {
        let errors_before = found.0.len();
        let path = format!("budget.{level}");
        let total = self.total;
        if total == 0 || total > BATCHES_MAX {
            let expected = format!("1 to {BATCHES_MAX} batches");
            found.add(&format!("{path}.total"), &total.to_string(), expected);
        }
        if self.floor > total {
            let expected = format!("at most the level's total of {total} batches");
            found.add(&format!("{path}.floor"), &self.floor.to_string(), expected);
        }
        let split = match self.split.as_str() {
            _ if !self.table.is_empty() => self.check_table(level, &path, found),
            "" | "units" => Split::Units,
            "root" => Split::Root,
            "equal" => Split::Equal,
            other => {
                found.add(&format!("{path}.split"), other, "units, root or equal");
                Split::Units
            }
        };
        (found.0.len() == errors_before).then_some(LevelBudget { total, split, floor: self.floor })
    }

    fn check_table(&self, level: Level, path: &str, found: &mut Findings) -> Split {
        if !self.split.is_empty() {
            let expected = "either a split or a table, not both";
            found.add(&format!("{path}.split"), &self.split, expected);
        }
        if self.floor > 0 {
            let expected = "no floor beside a table, which says what everybody gets";
            found.add(&format!("{path}.floor"), &self.floor.to_string(), expected);
        }
        let path = format!("{path}.table");
        found.at_most(&path, self.table.len(), TABLE_MAX, "divisions");
        let digits = [2, 4, 6][level.index()];
        let mut table = BTreeMap::new();
        let mut sum = 0u64;
        for (text, batches) in &self.table {
            sum = sum.saturating_add(*batches);
            match text.parse::<DivisionCode>() {
                Ok(code) if code.digits() == digits => {
                    table.insert(code, *batches);
                }
                _ => {
                    let expected = format!("a division code of {digits} digits ({level})");
                    found.add(&format!("{path}.{text}"), text, expected);
                }
            }
        }
        if sum != self.total {
            let expected = format!("a table that sums to the total of {} batches", self.total);
            found.add(&path, &format!("a sum of {sum}"), expected);
        }
        Split::Table(table)
    }
}

impl DraftKeep {
    fn check(&self, has_budget: [bool; 3], found: &mut Findings) -> Keep {
        if check_id(&self.plan).is_err() {
            found.add("keep.plan", &self.plan, "the name of a plan");
        }
        if let Some(weight) = self.weight
            && !(2..=MULTIPLIER_MAX).contains(&weight)
        {
            let expected = format!("a multiplier of 2 to {MULTIPLIER_MAX}");
            found.add("keep.weight", &weight.to_string(), expected);
        }
        if self.weight.is_none() && !self.levels.is_empty() {
            found.add("keep.levels", &self.levels.join(", "), "none without keep.weight");
        }
        let mut gives_way = [false; 3];
        for (i, text) in self.levels.iter().enumerate() {
            let path = format!("keep.levels[{i}]");
            if let Some(level) = certain_level(&path, text, has_budget, found) {
                gives_way[level.index()] = true;
            }
        }
        if self.weight.is_some() && self.levels.is_empty() {
            gives_way = has_budget;
        }
        Keep { plan: self.plan.clone(), weight: self.weight, gives_way }
    }
}

impl DraftWindow {
    fn check(&self, found: &mut Findings) -> Window {
        if self.months == 0 || self.months > WINDOW_MONTHS_MAX {
            let expected = format!("1 to {WINDOW_MONTHS_MAX} months");
            found.add("window.months", &self.months.to_string(), expected);
        }
        found.at_most("window.exempt", self.exempt.len(), EXEMPT_MAX, "outcomes");
        for (i, outcome) in self.exempt.iter().enumerate() {
            found.required(&format!("window.exempt[{i}]"), outcome, "an outcome");
        }
        let mut exempt = self.exempt.clone();
        exempt.sort_unstable();
        exempt.dedup();
        Window { months: self.months.min(WINDOW_MONTHS_MAX) as u32, exempt }
    }
}

fn waves(drafts: &[DraftWave], period: Option<Period>, found: &mut Findings) -> Vec<Wave> {
    /// A parsed share is a whole number of these parts.
    const PARTS: u64 = 100_000_000;
    found.at_most("wave", drafts.len(), WAVES_MAX, "waves");
    let mut waves = Vec::new();
    let mut parts = 0;
    let mut last: Option<Date> = None;
    for (i, draft) in drafts.iter().enumerate().take(WAVES_MAX) {
        let path = format!("wave[{i}].until");
        let until = found.date(&path, &draft.until);
        if let (Some(until), Some(period)) = (until, period)
            && !(period.from..=period.to).contains(&until)
        {
            let expected = format!("a day from {} to {}", period.from, period.to);
            found.add(&path, &draft.until, expected);
        }
        if let (Some(until), Some(last)) = (until, last)
            && until <= last
        {
            found.add(&path, &draft.until, format!("a day after the wave before ({last})"));
        }
        last = until.or(last);
        let path = format!("wave[{i}].share");
        let share = found.share(&path, &draft.share);
        if share == Some(Ratio::ZERO) {
            found.add(&path, &draft.share, "a share above 0%");
        }
        if let (Some(until), Some(share)) = (until, share) {
            parts += share.floor_of(PARTS);
            waves.push(Wave { until, share });
        }
    }
    if !drafts.is_empty() && waves.len() == drafts.len() && parts != PARTS {
        let sum = Ratio::new(parts, PARTS).map_or_else(String::new, |sum| sum.to_string());
        found.add("wave", &format!("shares of {sum} in all"), "shares that sum to exactly 100%");
    }
    waves
}

/// The level a rule names, which must have a budget if any has.
pub(super) fn certain_level(
    path: &str,
    text: &str,
    has_budget: [bool; 3],
    found: &mut Findings,
) -> Option<Level> {
    let level = found.level_name(path, text)?;
    if !has_budget[level.index()] && has_budget.contains(&true) {
        found.add(path, text, "a level that has a budget");
    }
    Some(level)
}
