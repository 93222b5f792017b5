//! Cells that some rules can't tell apart, taken together: a small programme that says of those
//! rules exactly what the whole frame would.
//!
//! Arcs that count in the same groups of the chosen partitions, and against the same budget, have
//! one *signature*; cells whose arcs have the same signatures are one *class*. Every table of
//! batches of the cells sums to one of the classes, and every one of the classes comes from one of
//! the cells (each unit of a class takes its part of the class's total), so both can or cannot keep
//! the rules together. A partition without a column drops out, which only makes it easier: what is
//! impossible for the classes is impossible.

use foldhash::HashMap;

use crate::design::{BoundKind, NONE, Required, Seen, Side};
use crate::model::Level;
use crate::policy::Bound;

use super::model::{Model, Rule};

/// Units of cells alike.
#[derive(Debug, Clone, Default)]
pub(super) struct Class {
    /// Eligible units.
    pub units: u64,
    /// Least batches, in units of 2^-32.
    pub least: u128,
    /// Whether they are certainty units.
    pub certain: bool,
    /// Its arcs' places among all.
    pub arcs: std::ops::Range<usize>,
}

/// One row, as `sum of terms ≥ bound`.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Place of its rule in the model.
    pub rule: usize,
    /// The partition.
    pub partition: usize,
    /// The group.
    pub group: u32,
    /// Which bound.
    pub kind: BoundKind,
    /// What is required.
    pub required: Required,
    /// Batches or units that a share refers to.
    pub base: u64,
}

impl Row {
    /// What a matching batch and a batch of the rest count.
    fn coefficients(&self) -> (i64, i64) {
        let sign = if self.kind.side() == Side::Min { 1 } else { -1 };
        match self.required {
            Required::Batches(_) => (sign, 0),
            Required::Share(share) => {
                let (num, den) = (share.num() as i64, share.den() as i64);
                (sign * (den - num), -sign * num)
            }
        }
    }

    /// The right-hand side.
    pub fn bound(&self) -> i64 {
        match (self.required, self.kind.side()) {
            (Required::Batches(n), Side::Min) => n as i64,
            (Required::Batches(n), Side::Max) => -(n as i64),
            (Required::Share(_), _) => 0,
        }
    }

    /// What its numbers are divided by to be in batches.
    pub fn unit(&self) -> f64 {
        match self.required {
            Required::Batches(_) => 1.0,
            Required::Share(share) => share.den() as f64,
        }
    }

    /// As the row of a quota whose bound were another.
    pub fn set(&mut self, bound: Bound) {
        match (bound, &mut self.required) {
            (Bound::Batches(n), Required::Batches(old)) => *old = n,
            (Bound::Share(share), Required::Batches(old)) => {
                *old = match self.kind.side() {
                    Side::Min => share.ceil_of(self.base),
                    Side::Max => share.floor_of(self.base),
                }
            }
            (Bound::Share(share), Required::Share(old)) => *old = share,
            (Bound::Batches(_), Required::Share(_)) => {}
        }
    }
}

/// Authorities, or a level as a whole, that have so many batches.
#[derive(Debug, Clone)]
pub(super) struct BudgetRow {
    /// Place of its rule in the model.
    pub rule: usize,
    /// The authority's place, if it is one.
    pub authority: Option<usize>,
    /// Batches.
    pub batches: u64,
}

/// The classes and rows of some rules.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    /// The partitions that have columns.
    pub partitions: Vec<usize>,
    /// Whether budgets are those of authorities, or only of levels.
    pub by_authority: bool,
    /// The classes.
    pub classes: Vec<Class>,
    /// Signature of every class's arcs.
    pub arcs: Vec<u32>,
    /// The class of every cell.
    pub class_of_cell: Vec<u32>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The budgets.
    pub budgets: Vec<BudgetRow>,
    /// By signature: rows in which its batches count, and how much.
    terms: Vec<Vec<(u32, i64)>>,
    /// By signature: the budget.
    budget: Vec<u32>,
}

/// Classes while partitions are added.
#[derive(Clone)]
pub(super) struct Signatures {
    /// The partitions that have columns.
    pub partitions: Vec<usize>,
    /// Whether budgets are those of authorities, or only of levels.
    pub by_authority: bool,
    of_arc: Vec<u32>,
    /// By column, of the budget and then two of each partition: the value of each signature.
    columns: Vec<Vec<u32>>,
    count: usize,
}

impl Signatures {
    /// What budgets alone tell apart.
    pub fn new(model: &Model<'_>, by_authority: bool) -> Self {
        let arcs = &model.arcs;
        let mut signatures = Signatures {
            partitions: Vec::new(),
            by_authority,
            of_arc: vec![0; arcs.len()],
            columns: Vec::new(),
            count: 1,
        };
        let context = model.context();
        if by_authority {
            signatures.tell(model.authorities.list.len(), |arc| context.authority(arc));
        } else {
            signatures.tell(Level::ALL.len(), |arc| u32::from(arcs.level[arc]));
        }
        signatures
    }

    /// Tells apart what one more partition does.
    pub fn add(&mut self, model: &Model<'_>, number: usize) {
        let partition = &model.partitions[number];
        let size = partition.groups.len() + 1;
        let value = |column: &[u32], arc: usize| match column[arc] {
            NONE => 0,
            group => group + 1,
        };
        self.tell(size, |arc| value(&partition.of_arc, arc));
        match &partition.rest_of_arc {
            Some(rest) => self.tell(size, |arc| value(rest, arc)),
            None => self.columns.push(vec![0; self.count]),
        }
        self.partitions.push(number);
    }

    /// Tells arcs apart by one more column of values below `size`.
    fn tell(&mut self, size: usize, value: impl Fn(usize) -> u32) {
        let combined = |arc: usize, old: u32| old as usize * size + value(arc) as usize;
        let mut found: Vec<(u32, u32)> = Vec::new();
        if self.count * size <= 1 << 25 {
            let mut seen = Seen::new(self.count * size);
            for (arc, old) in self.of_arc.iter().enumerate() {
                seen.insert(combined(arc, *old));
            }
            seen.number();
            found.extend(seen.iter().map(|c| ((c / size) as u32, (c % size) as u32)));
            for (arc, slot) in self.of_arc.iter_mut().enumerate() {
                *slot = seen.place(combined(arc, *slot));
            }
        } else {
            let mut all: Vec<usize> =
                self.of_arc.iter().enumerate().map(|(arc, old)| combined(arc, *old)).collect();
            all.sort_unstable();
            all.dedup();
            found.extend(all.iter().map(|c| ((c / size) as u32, (c % size) as u32)));
            for (arc, slot) in self.of_arc.iter_mut().enumerate() {
                let key = combined(arc, *slot);
                *slot = all.partition_point(|other| *other < key) as u32;
            }
        }
        for column in &mut self.columns {
            *column = found.iter().map(|(old, _)| column[*old as usize]).collect();
        }
        self.columns.push(found.iter().map(|(_, value)| *value).collect());
        self.count = found.len();
    }
}

impl Aggregate {
    /// The classes that `partitions` and the budgets tell apart; none if they have more than
    /// `arcs_max` arcs.
    pub fn new(
        model: &Model<'_>,
        partitions: &[usize],
        by_authority: bool,
        arcs_max: usize,
    ) -> Option<Self> {
        let mut signatures = Signatures::new(model, by_authority);
        for number in partitions {
            signatures.add(model, *number);
            if signatures.count > arcs_max {
                return None;
            }
        }
        Self::of(model, &signatures, arcs_max)
    }

    /// The classes with these signatures; none if they have more than `arcs_max` arcs.
    pub fn of(model: &Model<'_>, signatures: &Signatures, arcs_max: usize) -> Option<Self> {
        if signatures.count > arcs_max {
            return None;
        }
        let mut aggregate = Aggregate {
            partitions: signatures.partitions.clone(),
            by_authority: signatures.by_authority,
            classes: Vec::new(),
            arcs: Vec::new(),
            class_of_cell: Vec::new(),
            rows: Vec::new(),
            budgets: Vec::new(),
            terms: vec![Vec::new(); signatures.count],
            budget: signatures.columns[0].clone(),
        };
        aggregate.find_classes(model, &signatures.of_arc, arcs_max)?;
        aggregate.find_budgets(model);
        aggregate.find_rows(model, &signatures.columns[1..]);
        Some(aggregate)
    }

    fn find_classes(&mut self, model: &Model<'_>, of_arc: &[u32], arcs_max: usize) -> Option<()> {
        const START: u32 = 0;
        let mut step: HashMap<(u32, u32), u32> = HashMap::default();
        let mut class_of: HashMap<u32, u32> = HashMap::default();
        let mut own: Vec<u32> = Vec::new();
        for cell in 0..model.frame.cells.len() {
            own.clear();
            own.extend(&of_arc[model.arcs.of_cell(cell)]);
            own.sort_unstable();
            own.dedup();
            let mut id = START;
            let certain = model.frame.cells.certain[cell];
            for part in std::iter::once(u32::MAX - u32::from(certain)).chain(own.iter().copied()) {
                let next = step.len() as u32 + 1;
                id = *step.entry((id, part)).or_insert(next);
            }
            let class = *class_of.entry(id).or_insert_with(|| {
                let from = self.arcs.len();
                self.arcs.extend(&own);
                let arcs = from..self.arcs.len();
                self.classes.push(Class { certain, arcs, ..Class::default() });
                self.classes.len() as u32 - 1
            });
            if self.arcs.len() > arcs_max {
                return None;
            }
            let found = &mut self.classes[class as usize];
            found.units += u64::from(model.frame.cell_units(cell));
            found.least += u128::from(model.least(cell));
            self.class_of_cell.push(class);
        }
        Some(())
    }

    fn find_budgets(&mut self, model: &Model<'_>) {
        let rule = |level: Level| model.rules.iter().position(|rule| *rule == Rule::Budget(level));
        let list = &model.authorities.list;
        if self.by_authority {
            self.budgets = list
                .iter()
                .enumerate()
                .map(|(place, authority)| BudgetRow {
                    rule: rule(authority.level).unwrap_or(usize::MAX),
                    authority: Some(place),
                    batches: authority.batches,
                })
                .collect();
        } else {
            let of_level = |level: Level| list.iter().filter(move |a| a.level == level);
            self.budgets = Level::ALL
                .iter()
                .copied()
                .map(|level| BudgetRow {
                    rule: rule(level).unwrap_or(usize::MAX),
                    authority: None,
                    batches: of_level(level).map(|a| a.batches).sum(),
                })
                .collect();
        }
    }

    fn find_rows(&mut self, model: &Model<'_>, columns: &[Vec<u32>]) {
        for (place, number) in self.partitions.iter().enumerate() {
            let partition = &model.partitions[*number];
            let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); partition.groups.len()];
            for (group, found) in partition.groups.iter().enumerate() {
                let level = model.level_of(partition, group);
                for limit in &found.limits {
                    let wanted = Rule::Quota { partition: *number, level, kind: limit.kind };
                    let rule = model.rules.iter().position(|rule| *rule == wanted);
                    rows_of[group].push(self.rows.len() as u32);
                    self.rows.push(Row {
                        rule: rule.unwrap_or(usize::MAX),
                        partition: *number,
                        group: group as u32,
                        kind: limit.kind,
                        required: limit.required,
                        base: limit.base,
                    });
                }
            }
            for (signature, terms) in self.terms.iter_mut().enumerate() {
                let mut count = |value: u32, rest: bool| {
                    let Some(group) = value.checked_sub(1) else { return };
                    for row in &rows_of[group as usize] {
                        let both = self.rows[*row as usize].coefficients();
                        let coefficient = if rest { both.1 } else { both.0 };
                        if coefficient != 0 {
                            terms.push((*row, coefficient));
                        }
                    }
                };
                count(columns[2 * place][signature], false);
                count(columns[2 * place + 1][signature], true);
            }
        }
    }

    /// In which rows a batch of an arc counts, and how much.
    pub fn terms(&self, arc: usize) -> &[(u32, i64)] {
        &self.terms[self.arcs[arc] as usize]
    }

    /// The budget that an arc's batches are drawn from.
    pub fn budget(&self, arc: usize) -> usize {
        self.budget[self.arcs[arc] as usize] as usize
    }

    /// The rules that it has rows for.
    pub fn rules(&self, model: &Model<'_>) -> Vec<bool> {
        let has = |rule: &Rule| match rule {
            Rule::Quota { partition, .. } => self.partitions.contains(partition),
            _ => true,
        };
        model.rules.iter().map(has).collect()
    }

    /// The same classes under another bound of a quota.
    ///
    /// Terms of open shares change with the bound, so these are made anew.
    pub fn with_bound(
        &self,
        model: &Model<'_>,
        quota: usize,
        kind: BoundKind,
        bound: Bound,
    ) -> Self {
        let mut other = self.clone();
        for (number, row) in other.rows.iter_mut().enumerate() {
            if model.partitions[row.partition].quota != quota || row.kind != kind {
                continue;
            }
            let before = row.coefficients();
            row.set(bound);
            let after = row.coefficients();
            if before != after {
                for terms in &mut other.terms {
                    for (_, coefficient) in terms.iter_mut().filter(|t| t.0 as usize == number) {
                        *coefficient = if *coefficient == before.0 { after.0 } else { after.1 };
                    }
                }
            }
        }
        other
    }
}
