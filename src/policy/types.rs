//! What a policy says, as values: one struct for each table of the grammar.

use std::collections::BTreeMap;

use crate::model::{Date, DivisionCode, HashName, Level, Ratio};

/// The version of the method that a plan is made by. Never changed, only added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The first method (docs/METHOD.md).
    M1,
}

/// A whole policy, checked in itself (not yet against a registry).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Identifier (the general id syntax).
    pub id: String,
    /// Title; may be empty.
    pub title: String,
    /// Method version.
    pub method: Method,
    /// What digests, keys and lots are made with.
    pub hash: HashName,
    /// First and last day of the plan.
    pub period: Period,
    /// Day as of which tiers, status and history are known.
    pub as_of: Date,
    /// No eligible unit's probability is below this share of the mean rate.
    pub floor: Ratio,
    /// Budget by [`Level::index`]; none where the level takes no part.
    pub budget: [Option<LevelBudget>; 3],
    /// Quotas, in the order written.
    pub quotas: Vec<Quota>,
    /// Risk weights.
    pub weights: Weights,
    /// Certainty rules.
    pub certain: Vec<Certain>,
    /// Exclusions from eligibility.
    pub exclude: Vec<Exclude>,
    /// No-repeat window.
    pub window: Option<Window>,
    /// The plan whose lines are kept.
    pub keep: Option<Keep>,
    /// Replacement units wanted for each drawn line.
    pub replacements_per_line: u32,
    /// Its own reasons for which a line may fall out, ascending by code; empty: the usual ones, as
    /// [`Policy::reasons`] gives them.
    pub own_reasons: Vec<Reason>,
    /// Waves in order of their end; empty means one wave, the whole period.
    pub waves: Vec<Wave>,
}

impl Policy {
    /// The levels that take part, from the top down.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        Level::ALL.iter().copied().filter(|level| self.budget[level.index()].is_some())
    }
}

/// First and last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: Date,
    /// Last day, not before the first.
    pub to: Date,
}

/// The batches of one level and how its authorities share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelBudget {
    /// Batches of the level in all, at least 1.
    pub total: u64,
    /// How they are split.
    pub split: Split,
    /// Batches that every authority gets before the rest is split.
    pub floor: u64,
}

/// How a level's batches are split over its authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// In proportion to eligible units (the only authority of the province takes all).
    Units,
    /// In proportion to the square root of eligible units.
    Root,
    /// Equally.
    Equal,
    /// By a table that sums to the total.
    Table(BTreeMap<DivisionCode, u64>),
}

/// What a batch can be grouped or selected by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dim {
    /// Level that draws.
    Level,
    /// Authority that draws.
    Authority,
    /// City of coverage (of the enterprise's registration).
    City,
    /// County of coverage.
    County,
    /// Urban / rural.
    Area,
    /// Sampling channel.
    Channel,
    /// Product.
    Product,
    /// Category path; selects by prefix.
    Category,
    /// Group of key products.
    KeyGroup,
    /// Risk tier.
    Tier,
    /// Product-risk grade.
    Risk,
    /// Industrial cluster.
    Cluster,
    /// Key product or not; selects only.
    Key,
    /// Licence required or not; selects only.
    Licence,
    /// CCC required or not; selects only.
    Ccc,
    /// Enterprise with an accident or not; selects only.
    Accident,
    /// An `x_` attribute of the enterprise or of the product.
    Attribute(String),
}

/// `dimension = value` or `dimension = [values]`: any of the values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// The dimension.
    pub dim: Dim,
    /// Its values, ascending, distinct, at least one; flags are `true` / `false`.
    pub any_of: Vec<String>,
}

/// Conditions that must all hold, ascending by dimension, each dimension once; empty selects all.
pub type Filter = Vec<Condition>;

/// Dimensions crossed by `/`, ascending and distinct; empty is the plan as a whole.
pub type Grouping = Vec<Dim>;

/// How firmly a quota holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardness {
    /// Never relaxed.
    Legal,
    /// Holds in every plan.
    Hard {
        /// What each missing batch would cost if the quota had to be relaxed: weighs the
        /// relaxations that are offered where quotas clash; 1 unless given.
        penalty: u64,
    },
    /// Wished for; missing it by one batch costs `penalty`.
    Target {
        /// Cost of each missing batch.
        penalty: u64,
    },
}

/// A bound of a quota, other than a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Batches.
    Batches(u64),
    /// Share of all batches of the group (of `of`'s group, if given).
    Share(Ratio),
}

/// One quota: for every group of every grouping in `each`, bounds on the batches that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Its name, distinct within the policy.
    pub name: String,
    /// The batches that count.
    pub filter: Filter,
    /// Groupings that each make one row per group; ascending, distinct, at least one.
    pub each: Vec<Grouping>,
    /// The group whose batches are a share's denominator, where it is not the row's own group;
    /// of dimensions that every grouping in `each` has.
    pub of: Option<Grouping>,
    /// Least.
    pub min: Option<Bound>,
    /// Most.
    pub max: Option<Bound>,
    /// Least, as a share of the eligible units that match.
    pub min_rate: Option<Ratio>,
    /// Most, as a share of the eligible units that match.
    pub max_rate: Option<Ratio>,
    /// How firmly it holds.
    pub hardness: Hardness,
}

/// What a weight looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WeightBy {
    /// A dimension (not level or authority).
    Dim(Dim),
    /// Whether an earlier sampling failed.
    Failed,
    /// Whole months since the last sampling; a key is the least number of months, and a unit
    /// never sampled has the largest.
    Unchecked,
}

/// Integer multipliers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights(
    /// For each thing looked at, the multiplier of each value, 1 to 1,000,000; `*` stands for
    /// every other value that is not empty. A value that is not named has multiplier 1, except a
    /// tier, which must be named if any is.
    pub BTreeMap<WeightBy, BTreeMap<String, u64>>,
);

/// Units that match are all taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certain {
    /// Which units.
    pub filter: Filter,
    /// The level that takes them; none: any.
    pub level: Option<Level>,
}

/// What matches is not drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclude {
    /// Which units, levels and channels.
    pub filter: Filter,
    /// Why.
    pub reason: String,
}

/// The no-repeat window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Length in calendar months.
    pub months: u32,
    /// Outcomes that do not start it, ascending.
    pub exempt: Vec<String>,
}

/// The earlier plan of the programme whose lines are kept where they still can be: drawn by the same
/// level in the same channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Name of the plan.
    pub plan: String,
    /// What multiplies the weights of its units at some levels, 2 to 1,000,000; none: all are
    /// certainty units.
    pub weight: Option<u64>,
    /// By [`Level::index`]: whether the level's lines may give way, by that weight; else its units are
    /// certainty units. None without a weight.
    pub gives_way: [bool; 3],
}

/// A reason for which a line falls out in the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Code (the general id syntax).
    pub code: String,
    /// What it says of the unit.
    pub kind: ReasonKind,
    /// In words; may be empty.
    pub title: String,
}

/// What a reason says of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonKind {
    /// It is not, or no longer, what the frame took it for.
    OutOfScope,
    /// It is, and could not be sampled.
    NonResponse,
}

/// A wave of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wave {
    /// Its last day.
    pub until: Date,
    /// Its share of the batches; shares sum to one.
    pub share: Ratio,
}
