//! Linear programmes in exact rational numbers, and the rules of a small policy as rows of one:
//! slow, plain, and sharing no code with what it checks.

use std::collections::BTreeMap;

use num_rational::BigRational;
use spotcheck::design::{Arcs, Authorities, BoundKind, NONE};
use spotcheck::feasibility::{ClashingRule, RuleKind};
use spotcheck::frame::Frame;
use spotcheck::model::{Area, Channel, Level, Ratio};
use spotcheck::policy::{Bound, Condition, Dim, Policy, Quota, grouping_text};

pub type Number = BigRational;

pub fn number(value: i128) -> Number {
    Number::from_integer(value.into())
}

fn ratio(ratio: Ratio) -> Number {
    number(ratio.num().into()) / number(ratio.den().into())
}

/// `terms (at least, at most or exactly) right`.
#[derive(Debug, Clone)]
pub struct Row {
    terms: BTreeMap<usize, Number>,
    sense: Sense,
    right: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Least,
    Most,
    Equal,
}

/// Whether some values of at least 0 keep all rows: the first phase of the simplex method.
pub fn solvable(values: usize, rows: &[Row]) -> bool {
    let zero = number(0);
    let slacks = rows.iter().filter(|row| row.sense != Sense::Equal).count();
    let columns = values + slacks;
    let mut table: Vec<Vec<Number>> = Vec::new();
    let mut basis: Vec<usize> = Vec::new();
    let mut slack = values;
    let mut artificial = columns;
    for row in rows {
        let mut line = vec![zero.clone(); columns + 1];
        for (column, coefficient) in &row.terms {
            line[*column] = coefficient.clone();
        }
        let own = (row.sense != Sense::Equal).then(|| {
            line[slack] = number(if row.sense == Sense::Least { -1 } else { 1 });
            slack += 1;
            slack - 1
        });
        line[columns] = row.right.clone();
        if line[columns] < zero {
            line.iter_mut().for_each(|value| *value = -value.clone());
        }
        // A slack that may begin in the basis spares an artificial value.
        match own.filter(|own| line[*own] > zero) {
            Some(own) => basis.push(own),
            None => {
                basis.push(artificial);
                artificial += 1;
            }
        }
        table.push(line);
    }
    // What is to be brought to 0: the sum of the rows with artificial values.
    let mut goal = vec![zero.clone(); columns + 1];
    for (line, basic) in table.iter().zip(&basis) {
        if *basic >= columns {
            goal.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
        }
    }
    let mut steps = 0;
    while goal[columns] > zero {
        steps += 1;
        let gains = (0..columns).filter(|column| goal[*column] > zero);
        // The greatest gain first; by number once it takes long, which cannot go in circles.
        let entering = if steps < 200 {
            gains.max_by(|a, b| goal[*a].cmp(&goal[*b]).then(b.cmp(a)))
        } else {
            gains.into_iter().next()
        };
        let Some(entering) = entering else { return false };
        let leaving = (0..table.len())
            .filter(|row| table[*row][entering] > zero)
            .min_by_key(|row| (&table[*row][columns] / &table[*row][entering], basis[*row]));
        let leaving = leaving.expect("the goal is bounded");
        let pivot = table[leaving][entering].clone();
        table[leaving].iter_mut().filter(|v| **v != zero).for_each(|value| *value /= &pivot);
        let line = table[leaving].clone();
        let used: Vec<usize> = (0..=columns).filter(|column| line[*column] != zero).collect();
        for (row, other) in table.iter_mut().enumerate() {
            if row != leaving && other[entering] != zero {
                let factor = other[entering].clone();
                for column in &used {
                    other[*column] -= &factor * &line[*column];
                }
            }
        }
        let factor = goal[entering].clone();
        for column in &used {
            goal[*column] -= &factor * &line[*column];
        }
        basis[leaving] = entering;
    }
    true
}

/// The rules of a policy on a frame.
pub struct Rules<'a> {
    pub frame: &'a Frame,
    pub policy: &'a Policy,
    authorities: Authorities,
    pub arcs: Arcs,
}

impl<'a> Rules<'a> {
    pub fn new(frame: &'a Frame, policy: &'a Policy) -> Self {
        let authorities = Authorities::new(frame, policy).unwrap();
        let arcs = Arcs::new(frame, &authorities);
        Rules { frame, policy, authorities, arcs }
    }

    fn authority(&self, arc: usize) -> usize {
        let county = self.frame.cells.county[self.arcs.cell[arc] as usize] as usize;
        let place = self.authorities.of_county[county][self.arcs.level[arc] as usize];
        assert!(place != NONE);
        place as usize
    }

    fn text(&self, arc: usize, dim: &Dim) -> String {
        let cell = self.arcs.cell[arc] as usize;
        let cells = &self.frame.cells;
        let product = &self.frame.products[cells.product[cell] as usize];
        let county = self.frame.counties[cells.county[cell] as usize].to_string();
        match dim {
            Dim::Level => Level::ALL[self.arcs.level[arc] as usize].to_string(),
            Dim::Channel => Channel::ALL[self.arcs.channel[arc] as usize].to_string(),
            Dim::Authority => self.authorities.list[self.authority(arc)].code.to_string(),
            Dim::City => county[..4].to_owned(),
            Dim::County => county,
            Dim::Area => Area::ALL[cells.area[cell].index()].to_string(),
            Dim::Tier => self.frame.tiers.get(cells.tier[cell]).to_owned(),
            Dim::Product => product.id.clone(),
            Dim::Key => product.key.to_string(),
            other => panic!("{other}"),
        }
    }

    fn passes(&self, arc: usize, filter: &[Condition]) -> bool {
        filter.iter().all(|condition| condition.any_of.contains(&self.text(arc, &condition.dim)))
    }

    /// All groups of a grouping that a quota has rows for, by the text of their values.
    fn groups(&self, quota: &Quota, grouping: &[Dim]) -> Vec<Vec<String>> {
        let closed = [Dim::Level, Dim::Authority, Dim::City, Dim::County];
        let text = |dim: &Dim, level: Level, county: usize| -> Option<String> {
            let code = self.frame.counties[county].to_string();
            Some(match dim {
                Dim::Level => level.to_string(),
                Dim::Authority => {
                    let place = self.authorities.of_county[county][level.index()];
                    self.authorities.list.get(place as usize)?.code.to_string()
                }
                Dim::City => code[..4].to_owned(),
                _ => code,
            })
        };
        let mut groups: Vec<Vec<String>> = Vec::new();
        if grouping.iter().all(|dim| closed.contains(dim)) {
            for level in self.policy.levels() {
                for county in 0..self.frame.counties.len() {
                    let speaks = quota.filter.iter().filter(|c| closed.contains(&c.dim));
                    let passes = speaks.into_iter().all(|c| {
                        text(&c.dim, level, county).is_some_and(|text| c.any_of.contains(&text))
                    });
                    let values = grouping.iter().map(|dim| text(dim, level, county));
                    groups.extend(values.collect::<Option<Vec<String>>>().filter(|_| passes));
                }
            }
        } else {
            let said: Vec<Condition> = quota
                .filter
                .iter()
                .filter(|c| {
                    closed.contains(&c.dim)
                        || grouping.contains(&c.dim)
                        || c.dim == Dim::Key && grouping.contains(&Dim::Product)
                })
                .cloned()
                .collect();
            let arcs = (0..self.arcs.len()).filter(|arc| self.passes(*arc, &said));
            groups.extend(
                arcs.map(|arc| grouping.iter().map(|dim| self.text(arc, dim)).collect::<Vec<_>>()),
            );
        }
        groups.sort();
        groups.dedup();
        groups
    }

    /// The rows of a rule.
    pub fn rows(&self, rule: &ClashingRule) -> Vec<Row> {
        let arcs = 0..self.arcs.len();
        let cells = 0..self.frame.cells.len();
        let of_cell = |cell: usize| self.arcs.of_cell(cell).map(|arc| (arc, number(1)));
        let units = |cell: usize| number(self.frame.cell_units(cell).into());
        let certain = |cell: &usize| self.frame.cells.certain[*cell];
        match rule.kind {
            RuleKind::Budget => {
                let level = rule.level.expect("a budget has a level");
                let list = self.authorities.list.iter().enumerate();
                let own = list.filter(|(_, authority)| authority.level == level);
                own.map(|(place, authority)| {
                    let inside = arcs.clone().filter(|arc| self.authority(*arc) == place);
                    let terms = inside.map(|arc| (arc, number(1))).collect();
                    Row { terms, sense: Sense::Equal, right: number(authority.batches.into()) }
                })
                .collect()
            }
            RuleKind::Units => cells
                .map(|cell| Row {
                    terms: of_cell(cell).collect(),
                    sense: Sense::Most,
                    right: units(cell),
                })
                .collect(),
            RuleKind::Certain => cells
                .filter(certain)
                .map(|cell| Row {
                    terms: of_cell(cell).collect(),
                    sense: Sense::Least,
                    right: units(cell),
                })
                .collect(),
            RuleKind::NobodyAtZero => {
                let all = number(self.frame.units().into());
                let batches = number(self.authorities.batches().into());
                let batch = number(1 << 32);
                cells
                    .filter(|cell| !certain(cell))
                    .map(|cell| {
                        let part = ratio(self.policy.floor) * units(cell) * &batches / &all;
                        let whole = (part * &batch).ceil().max(number(1)) / &batch;
                        let right = whole.min(units(cell));
                        Row { terms: of_cell(cell).collect(), sense: Sense::Least, right }
                    })
                    .collect()
            }
            RuleKind::Quota(kind) => self.quota_rows(rule, kind),
        }
    }

    fn quota_rows(&self, rule: &ClashingRule, kind: BoundKind) -> Vec<Row> {
        let quota = self.policy.quotas.iter().find(|quota| quota.name == rule.quota).unwrap();
        let grouping =
            quota.each.iter().find(|grouping| grouping_text(grouping) == rule.scope).unwrap();
        let bound = match kind {
            BoundKind::Min => quota.min.unwrap(),
            BoundKind::Max => quota.max.unwrap(),
            _ => panic!("no rates here"),
        };
        let (sense, sign) = match kind {
            BoundKind::Min => (Sense::Least, 1),
            _ => (Sense::Most, -1),
        };
        let fixed = grouping.iter().all(|dim| matches!(dim, Dim::Level | Dim::Authority));
        let mut rows = Vec::new();
        for group in self.groups(quota, grouping) {
            let value = |dim: &Dim| grouping.iter().position(|d| d == dim).map(|at| &group[at]);
            let of_authority = |a: &spotcheck::design::Authority| {
                value(&Dim::Level).is_none_or(|level| a.level.as_str() == level)
                    && value(&Dim::Authority).is_none_or(|code| a.code.to_string() == *code)
            };
            let agreeing = || self.authorities.list.iter().filter(|a| of_authority(a));
            let level = match (value(&Dim::Level), value(&Dim::Authority)) {
                (None, None) => {
                    let said = quota.filter.iter().find(|c| c.dim == Dim::Level);
                    said.filter(|c| c.any_of.len() == 1).map(|c| c.any_of[0].parse().unwrap())
                }
                _ => agreeing().next().map(|a| a.level),
            };
            if level != rule.level {
                continue;
            }
            let inside: Vec<usize> = (0..self.arcs.len())
                .filter(|arc| {
                    grouping.iter().zip(&group).all(|(dim, text)| self.text(*arc, dim) == *text)
                })
                .collect();
            let own = inside.iter().filter(|arc| self.passes(**arc, &quota.filter));
            let (terms, right) = match bound {
                Bound::Batches(batches) => {
                    (own.map(|arc| (*arc, number(1))).collect(), number(batches.into()))
                }
                Bound::Share(share) if fixed => {
                    let base: u64 = agreeing().map(|a| a.batches).sum();
                    let exact = ratio(share) * number(base.into());
                    let right = if sign > 0 { exact.ceil() } else { exact.floor() };
                    (own.map(|arc| (*arc, number(1))).collect(), right)
                }
                Bound::Share(share) => {
                    let passes = |arc: usize| self.passes(arc, &quota.filter);
                    let count = |arc: usize| number(i128::from(passes(arc))) - ratio(share);
                    (inside.iter().map(|arc| (*arc, count(*arc))).collect(), number(0))
                }
            };
            rows.push(Row { terms, sense, right });
        }
        rows
    }

    /// Whether real numbers can keep the rules.
    pub fn can_keep(&self, rules: &[ClashingRule]) -> bool {
        let rows: Vec<Row> = rules.iter().flat_map(|rule| self.rows(rule)).collect();
        solvable(self.arcs.len(), &rows)
    }
}
