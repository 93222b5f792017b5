//! The rules of a policy on a frame, as rows of a linear programme.

use crate::design::{
    Arcs, Authorities, BATCH, BoundKind, Context, Dimensions, Partition, Refusal, least, partitions,
};
use crate::frame::Frame;
use crate::model::Level;
use crate::policy::{Dim, Policy};

/// A family of rules: what clashes with what is told in these, not in single rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The authorities of a level draw exactly their batches.
    Budget(Level),
    /// No unit is taken more than once.
    Units,
    /// Certainty units are all taken.
    Certain,
    /// Every eligible unit keeps the policy's least probability.
    NobodyAtZero,
    /// One bound of a quota in one of its groupings, at one level where its rows have one.
    Quota {
        /// Place among the partitions.
        partition: usize,
        /// The level that its rows belong to, if they belong to one.
        level: Option<Level>,
        /// Which bound.
        kind: BoundKind,
    },
}

/// A policy's rules on a frame.
pub(super) struct Model<'a> {
    pub frame: &'a Frame,
    pub policy: &'a Policy,
    pub authorities: Authorities,
    pub arcs: Arcs,
    pub partitions: Vec<Partition>,
    /// All rules that bind, base rules first.
    pub rules: Vec<Rule>,
}

impl<'a> Model<'a> {
    /// Finds authorities, arcs and rows.
    ///
    /// # Errors
    /// If budgets cannot be split or a quota cannot be made into rows: arithmetic.
    pub fn new(frame: &'a Frame, policy: &'a Policy, threads: usize) -> Result<Self, Refusal> {
        let authorities = Authorities::new(frame, policy)?;
        let arcs = Arcs::new(frame, &authorities);
        let context = Context { frame, authorities: &authorities, arcs: &arcs };
        let dims = Dimensions::new(context, policy);
        let partitions = partitions(context, &dims, policy, threads)?;
        let mut model = Model { frame, policy, authorities, arcs, partitions, rules: Vec::new() };
        model.rules = model.find_rules();
        Ok(model)
    }

    /// The context of arcs.
    pub fn context(&self) -> Context<'_> {
        Context { frame: self.frame, authorities: &self.authorities, arcs: &self.arcs }
    }

    fn find_rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = self.policy.levels().map(Rule::Budget).collect();
        rules.push(Rule::Units);
        if self.policy.keep.is_none() {
            rules.push(Rule::NobodyAtZero);
        }
        if self.frame.cells.certain.contains(&true) {
            rules.push(Rule::Certain);
        }
        for (number, partition) in self.partitions.iter().enumerate() {
            if !partition.firm(self.policy) {
                continue;
            }
            let mut own: Vec<Rule> = Vec::new();
            for (place, group) in partition.groups.iter().enumerate() {
                let level = self.level_of(partition, place);
                for limit in &group.limits {
                    own.push(Rule::Quota { partition: number, level, kind: limit.kind });
                }
            }
            own.sort_unstable();
            own.dedup();
            rules.extend(own);
        }
        rules
    }

    /// The level that a group's batches are drawn at, if it is one.
    pub fn level_of(&self, partition: &Partition, group: usize) -> Option<Level> {
        let values = &partition.groups[group].values;
        let value = |dim: Dim| partition.grouping.iter().position(|d| *d == dim).map(|i| values[i]);
        if let Some(level) = value(Dim::Level) {
            return Some(Level::ALL[level as usize]);
        }
        if let Some(authority) = value(Dim::Authority) {
            return Some(self.authorities.list[authority as usize].level);
        }
        let filter = &self.policy.quotas[partition.quota].filter;
        match filter.iter().find(|condition| condition.dim == Dim::Level)?.any_of.as_slice() {
            [one] => one.parse().ok(),
            _ => None,
        }
    }

    /// The least that a cell gets, in units of 2^-32 of a batch.
    pub fn least(&self, cell: usize) -> u64 {
        let own = u64::from(self.frame.cell_units(cell));
        if self.frame.cells.certain[cell] {
            own * BATCH
        } else {
            least(self.policy, own, self.frame.units(), self.authorities.batches())
        }
    }
}
