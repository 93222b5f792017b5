//! Whether whole batches can keep the rules where real numbers can.
//!
//! Small designs are searched exhaustively, in integers, so that "there is none" is a proof. Of
//! large ones some draws are made from the design that lacks its certificate: one that happens to
//! keep every row shows that tables exist, though not every draw is one.

use crate::design::{BATCH, Draft, NONE, Required, Side};
use crate::draw::{DrawKey, Seed, round};
use crate::model::{Cancelled, Digest, HashName, Work};

use super::aggregate::Aggregate;
use super::model::{Model, Rule};
use super::proof::has;

/// Most arcs of classes that are searched exhaustively.
const ARCS_MAX: usize = 96;
/// Most nodes of a search.
const NODES_MAX: usize = 200_000;
/// Draws from the design without a certificate.
const DRAWS: u8 = 16;

/// What is known of tables of whole batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tables {
    /// There is none that keeps every rule: proved by exhaustion.
    None,
    /// There are some, but some unit is in none of them, so that it could never be drawn: proved
    /// by exhaustion.
    NoneWithAll {
        /// Units that are in no table.
        units: u64,
    },
    /// There are some: one was found.
    Some,
    /// None was found within the bounded work.
    Unknown,
}

/// `low ≤ sum of coefficient × value ≤ high`.
struct Line {
    terms: Vec<(usize, i64)>,
    low: i64,
    high: i64,
}

struct Search {
    lines: Vec<Line>,
    of_value: Vec<Vec<usize>>,
    nodes: usize,
}

/// What a search found.
#[derive(PartialEq, Eq)]
enum Outcome {
    Found,
    Nothing,
    Gave,
}

const FREE: i64 = i64::MAX / 4;

/// The smallest and the largest sum that bounds allow.
fn range(line: &Line, low: &[i64], high: &[i64]) -> (i64, i64) {
    line.terms.iter().fold((0, 0), |(least, most), (value, c)| {
        let ends = (c * low[*value], c * high[*value]);
        (least + ends.0.min(ends.1), most + ends.0.max(ends.1))
    })
}

impl Search {
    /// Narrows the bounds by every line until nothing moves; false if nothing is left.
    fn narrow(&self, low: &mut [i64], high: &mut [i64], first: Vec<usize>) -> bool {
        let mut queue = first;
        while let Some(number) = queue.pop() {
            let line = &self.lines[number];
            let (least, most) = range(line, low, high);
            if least > line.high || most < line.low {
                return false;
            }
            for (value, c) in &line.terms {
                let ends = (c * low[*value], c * high[*value]);
                let (own_least, own_most) = (ends.0.min(ends.1), ends.0.max(ends.1));
                // The others' sums leave this one between these.
                let upper = line.high.saturating_sub(least - own_least);
                let lower = line.low.saturating_sub(most - own_most);
                let (from, to) = if *c > 0 {
                    (
                        lower.div_euclid(*c) + i64::from(lower.rem_euclid(*c) != 0),
                        upper.div_euclid(*c),
                    )
                } else {
                    let c = -c;
                    (
                        (-upper).div_euclid(c) + i64::from((-upper).rem_euclid(c) != 0),
                        (-lower).div_euclid(c),
                    )
                };
                let (from, to) = (from.max(low[*value]), to.min(high[*value]));
                if from > to {
                    return false;
                }
                if from > low[*value] || to < high[*value] {
                    (low[*value], high[*value]) = (from, to);
                    queue.extend(&self.of_value[*value]);
                    // The sums of this line have changed: begin it again.
                    queue.push(number);
                    break;
                }
            }
        }
        true
    }

    fn run(&mut self, low: &mut [i64], high: &mut [i64], first: Vec<usize>) -> Outcome {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Outcome::Gave;
        }
        if !self.narrow(low, high, first) {
            return Outcome::Nothing;
        }
        let open = (0..low.len()).filter(|v| low[*v] < high[*v]);
        let Some(value) = open.min_by_key(|v| high[*v] - low[*v]) else { return Outcome::Found };
        let middle = low[value] + (high[value] - low[value]) / 2;
        for half in 0..2 {
            let (mut lower, mut upper) = (low.to_vec(), high.to_vec());
            if half == 0 {
                lower[value] = middle + 1;
            } else {
                upper[value] = middle;
            }
            let touched = self.of_value[value].clone();
            match self.run(&mut lower, &mut upper, touched) {
                Outcome::Nothing => {}
                other => return other,
            }
        }
        Outcome::Nothing
    }
}

/// Searches the tables of all rules.
pub(super) fn search(
    model: &Model<'_>,
    draft: Option<&Draft>,
    work: &Work<'_>,
) -> Result<Tables, Cancelled> {
    work.stage("tables of whole batches")?;
    let firm: Vec<usize> = (0..model.partitions.len())
        .filter(|number| model.partitions[*number].firm(model.policy))
        .collect();
    if let Some(aggregate) = Aggregate::new(model, &firm, true, ARCS_MAX) {
        let found = exhaust(model, &aggregate);
        if found != Tables::Unknown {
            return Ok(found);
        }
    }
    if let Some(draft) = draft {
        for number in 0..DRAWS {
            work.stage("tables of whole batches")?;
            if one_draw(draft, number, work.threads, model) {
                return Ok(Tables::Some);
            }
        }
    }
    Ok(Tables::Unknown)
}

fn exhaust(model: &Model<'_>, aggregate: &Aggregate) -> Tables {
    let inside = aggregate.rules(model);
    let certain = has(model, &inside, Rule::Certain);
    let values = aggregate.arcs.len();
    let mut lines = Vec::new();
    for (number, row) in aggregate.rows.iter().enumerate() {
        let terms = (0..values).flat_map(|arc| {
            let own = aggregate.terms(arc).iter().filter(|(row, _)| *row as usize == number);
            own.map(move |(_, c)| (arc, *c))
        });
        lines.push(Line { terms: terms.collect(), low: row.bound(), high: FREE });
    }
    for (number, budget) in aggregate.budgets.iter().enumerate() {
        let own = (0..values).filter(|arc| aggregate.budget(*arc) == number);
        let batches = budget.batches as i64;
        lines.push(Line { terms: own.map(|arc| (arc, 1)).collect(), low: batches, high: batches });
    }
    let mut high = vec![0i64; values];
    let mut classes = Vec::new();
    for class in &aggregate.classes {
        let units = class.units as i64;
        for arc in class.arcs.clone() {
            high[arc] = units;
        }
        let low = if class.certain && certain { units } else { 0 };
        classes.push(lines.len());
        let terms = class.arcs.clone().map(|arc| (arc, 1)).collect();
        lines.push(Line { terms, low, high: units });
    }
    let mut of_value = vec![Vec::new(); values];
    for (number, line) in lines.iter().enumerate() {
        for (value, _) in &line.terms {
            of_value[*value].push(number);
        }
    }
    let all: Vec<usize> = (0..lines.len()).collect();
    let mut search = Search { lines, of_value, nodes: 0 };
    match search.run(&mut vec![0; values], &mut high.clone(), all.clone()) {
        Outcome::Nothing => return Tables::None,
        Outcome::Gave => return Tables::Unknown,
        Outcome::Found => {}
    }
    // Nobody is exempt: every unit must be in some table.
    let mut nowhere = 0;
    for (class, line) in aggregate.classes.iter().zip(classes) {
        let before = search.lines[line].low;
        search.lines[line].low = before.max(1);
        search.nodes = 0;
        let outcome = search.run(&mut vec![0; values], &mut high.clone(), all.clone());
        search.lines[line].low = before;
        match outcome {
            Outcome::Nothing => nowhere += class.units,
            Outcome::Gave => return Tables::Some,
            Outcome::Found => {}
        }
    }
    // Where an earlier plan's lines are kept, nobody needs a chance once more.
    let all_needed = model.policy.keep.is_none();
    if nowhere > 0 && all_needed { Tables::NoneWithAll { units: nowhere } } else { Tables::Some }
}

/// Whether one draw from a design without a certificate keeps every rule.
fn one_draw(draft: &Draft, number: u8, threads: usize, model: &Model<'_>) -> bool {
    let design = &draft.design;
    let mut values = design.values.clone();
    // Nobody is chosen by these draws; any keys will do.
    let key = DrawKey::new(HashName::Sha256, &Seed([number; 32]), &Digest([0; 32]));
    round(&design.network, &mut values, &key, threads);
    let n = &values[design.layout.arc_edges()];
    design.partitions.iter().filter(|p| p.firm(model.policy)).all(|partition| {
        let sums = |column: &[u32]| {
            let mut sums = vec![0u64; partition.groups.len()];
            for (group, value) in column.iter().zip(n).filter(|(group, _)| **group != NONE) {
                sums[*group as usize] += value / BATCH;
            }
            sums
        };
        let own = sums(&partition.of_arc);
        let rest = partition.rest_of_arc.as_deref().map(sums);
        partition.groups.iter().enumerate().all(|(place, group)| {
            group.limits.iter().all(|limit| {
                let batches = own[place];
                match limit.required {
                    Required::Batches(n) if limit.side == Side::Min => batches >= n,
                    Required::Batches(n) => batches <= n,
                    Required::Share(share) => {
                        let rest = rest.as_ref().map_or(0, |rest| rest[place]);
                        let (num, den) = (u128::from(share.num()), u128::from(share.den()));
                        let own = (den - num) * u128::from(batches);
                        let other = num * u128::from(rest);
                        if limit.side == Side::Min { own >= other } else { own <= other }
                    }
                }
            })
        })
    })
}
