//! What a frame's rules saw in one unit: for whoever asks why it is in the frame or not.
//!
//! Looked up again in the registry by the same rules that freeze a frame, one unit at a time.

use serde::Serialize;

use crate::model::{DivisionCode, Level, Symbol, add_months};
use crate::policy::{Dim, Policy, WeightBy};
use crate::registry::{HistoryRow, Registry, TierRow};

use super::{Builder, UNKNOWN_TIER, UnitView};
use crate::frame::{Frame, FrameError, Kept, product_value};

/// What the policy's rules look at in one unit, and what they find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitFacts {
    /// Business status of the enterprise.
    pub status: String,
    /// Where it is registered.
    pub division: DivisionCode,
    /// Channels in which the unit is supplied.
    pub supplied: Vec<&'static str>,
    /// Its tier on the day of the frame.
    pub tier: TierFact,
    /// The earlier sampling that closes the unit for longest, if one does.
    pub window: Option<WindowFact>,
    /// The `exclude` rules that keep a level from drawing it in a channel.
    pub excluded_by: Vec<ExcludeFact>,
    /// What its weight is the product of.
    pub weight: Vec<WeightFact>,
    /// Place of the certainty rule that takes it, in the policy's order from 0.
    pub certain_rule: Option<usize>,
    /// The level and the channel that drew it in the earlier plan whose lines the policy keeps, if
    /// they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn_before: Option<(Level, &'static str)>,
}

/// A tier and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierFact {
    /// The tier.
    pub tier: String,
    /// `unit`, `enterprise` (rows of the tiers), `credit class` or `unknown`.
    pub source: &'static str,
    /// First day on which the row holds; none for always, or without a row.
    pub valid_from: Option<String>,
}

/// An earlier sampling inside the no-repeat window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowFact {
    /// Day of the sampling.
    pub sampled_on: String,
    /// Level that sampled.
    pub level: Level,
    /// Authority that sampled; none if not recorded.
    pub authority: Option<DivisionCode>,
    /// Its outcome; may be empty.
    pub outcome: String,
    /// First day on which the unit may be sampled again.
    pub free_from: String,
}

/// An `exclude` rule that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExcludeFact {
    /// Its place in the policy, from 0.
    pub rule: usize,
    /// Its reason.
    pub reason: String,
    /// Level that it keeps out.
    pub level: &'static str,
    /// Channel that it closes to the level.
    pub channel: &'static str,
}

/// One factor of a weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightFact {
    /// What is looked at, as the policy names it.
    pub by: String,
    /// The unit's value.
    pub value: String,
    /// The multiplier.
    pub factor: u64,
}

impl Frame {
    /// What the rules of `policy` see in one unit of `registry`; none if the registry doesn't
    /// supply such a unit. With the revision and the policy of a frame, these are the facts that
    /// put the unit where it is in that frame; `kept` are the lines that the policy keeps, if it does.
    ///
    /// # Errors
    /// If the policy doesn't fit the registry; never for those that a frame was frozen from.
    pub fn facts(
        registry: &Registry,
        policy: &Policy,
        kept: Option<&Kept>,
        enterprise: &str,
        product: &str,
    ) -> Result<Option<UnitFacts>, FrameError> {
        let builder = Builder::new(registry, policy, kept)?;
        let found =
            registry.enterprises.ids.find_sorted(enterprise).zip(
                registry.products.binary_search_by(|other| other.id.as_str().cmp(product)).ok(),
            );
        let Some((e, p)) = found else { return Ok(None) };
        Ok(builder.facts(e, p))
    }
}

impl Builder<'_> {
    fn facts(&self, e: usize, p: usize) -> Option<UnitFacts> {
        let r = self.registry;
        let unit = (e as u32, p as u32);
        let from = r.supply.partition_point(|row| (row.enterprise, row.product) < unit);
        let to = r.supply.partition_point(|row| (row.enterprise, row.product) <= unit);
        let rows = &r.supply[from..to];
        if rows.is_empty() {
            return None;
        }
        let from = r.tiers.partition_point(|row| row.enterprise < unit.0);
        let tiers = &r.tiers[from..];
        let from = r.history.partition_point(|row| (row.enterprise, row.product) < unit);
        let to = r.history.partition_point(|row| (row.enterprise, row.product) <= unit);
        let history = &r.history[from..to];
        let past = self.past(history);
        let division = r.enterprises.division[e];
        let tier = self.tier(unit.0, unit.1, tiers);
        let county = division.county();
        let view = UnitView {
            enterprise: e,
            product: p,
            county: county.unwrap_or(division),
            area: r.enterprises.area[e],
            tier,
            failed: past.failed,
            unchecked_months: past.unchecked_months,
        };
        let mut supplied: Vec<&'static str> = rows.iter().map(|row| row.channel.as_str()).collect();
        supplied.dedup();
        let county = county.and_then(|county| self.counties.binary_search(&county).ok());
        let excluded_by =
            county.map(|county| self.excluded_by(rows, county, &view)).unwrap_or_default();
        let factor = county
            .and_then(|county| {
                self.channels(rows, county, &view, &mut super::Gathered::default()).ok()
            })
            .and_then(|channels| self.kept(channels, &view))
            .and_then(|(_, factor)| factor);
        let certain_rule =
            self.certain.iter().position(|(rule, _)| rule.matches_unit(r, &self.attributes, &view));
        Some(UnitFacts {
            status: r.enterprises.status[e].to_string(),
            division,
            supplied,
            tier: self.tier_fact(unit.0, unit.1, tiers, tier),
            window: self.window_fact(history),
            excluded_by,
            weight: self.weight_facts(&view, factor),
            certain_rule,
            drawn_before: self
                .kept
                .as_ref()
                .and_then(|kept| kept.of.get(&unit))
                .map(|(level, channel)| (*level, channel.as_str())),
        })
    }

    fn excluded_by(
        &self,
        rows: &[crate::registry::Supply],
        county: usize,
        unit: &UnitView,
    ) -> Vec<ExcludeFact> {
        let product = &self.registry.products[unit.product];
        let supplied: crate::model::ChannelSet = rows.iter().map(|row| row.channel).collect();
        let mut facts = Vec::new();
        for level in Level::ALL.iter().filter(|level| product.levels[level.index()]) {
            let Some(authority) = self.authorities[county][level.index()] else { continue };
            for channel in supplied.and(product.channels).iter() {
                let rule = self.exclude.iter().position(|rule| {
                    rule.matches_unit(self.registry, &self.attributes, unit)
                        && rule.matches_draw(*level, authority, channel)
                });
                facts.extend(rule.map(|rule| ExcludeFact {
                    rule,
                    reason: self.policy.exclude[rule].reason.clone(),
                    level: level.as_str(),
                    channel: channel.as_str(),
                }));
            }
        }
        facts
    }

    fn tier_fact(&self, e: u32, p: u32, tiers: &[TierRow], tier: Symbol) -> TierFact {
        let own = tiers.iter().take_while(|row| row.enterprise == e);
        let valid = own.filter(|row| row.valid_from.is_none_or(|day| day <= self.policy.as_of));
        let (mut general, mut special) = (None, None);
        for row in valid {
            match row.product {
                None => general = Some(row),
                Some(other) if other == p => special = Some(row),
                Some(_) => {}
            }
        }
        let (source, row) = match (special, general) {
            (Some(row), _) => ("unit", Some(row)),
            (None, Some(row)) => ("enterprise", Some(row)),
            (None, None) if tier == Symbol::EMPTY => ("unknown", None),
            (None, None) => ("credit class", None),
        };
        TierFact {
            tier: self.tier_name(tier).to_owned(),
            source,
            valid_from: row.and_then(|row| row.valid_from).map(|day| day.to_string()),
        }
    }

    fn tier_name(&self, tier: Symbol) -> &str {
        match self.registry.symbols.get(tier) {
            "" => UNKNOWN_TIER,
            text => text,
        }
    }

    fn window_fact(&self, history: &[HistoryRow]) -> Option<WindowFact> {
        let window = self.policy.window.as_ref()?;
        let known = history.iter().filter(|row| row.sampled_on <= self.policy.as_of);
        let counts = known.filter(|row| !self.exempt[row.outcome.0 as usize]);
        let last = counts.max_by_key(|row| row.sampled_on)?;
        let free_from = add_months(last.sampled_on, window.months);
        // A window that is over before the period begins closes nothing.
        (free_from > self.policy.period.from).then(|| WindowFact {
            sampled_on: last.sampled_on.to_string(),
            level: last.level,
            authority: last.authority,
            outcome: self.registry.symbols.get(last.outcome).to_owned(),
            free_from: free_from.to_string(),
        })
    }

    /// The factors in the policy's order; the channel's belongs to the arc and is left out.
    fn weight_facts(&self, unit: &UnitView, keep: Option<u64>) -> Vec<WeightFact> {
        let r = self.registry;
        let flag = |value: bool| if value { "true" } else { "false" }.to_owned();
        let mut facts = Vec::new();
        for (by, table) in &self.policy.weights.0 {
            let value = match by {
                WeightBy::Failed => flag(unit.failed),
                WeightBy::Unchecked => {
                    let months = table.iter().filter_map(|(months, factor)| {
                        let months: u32 = months.parse().ok()?;
                        Some((months, *factor))
                    });
                    let reached = months
                        .filter(|(months, _)| unit.unchecked_months.is_none_or(|m| m >= *months));
                    let factor = reached.max().map_or(1, |(_, factor)| factor);
                    let value = match unit.unchecked_months {
                        Some(months) => format!("{months} months"),
                        None => "never sampled".to_owned(),
                    };
                    facts.push(WeightFact { by: by.to_string(), value, factor });
                    continue;
                }
                WeightBy::Dim(Dim::Channel) => continue,
                WeightBy::Dim(Dim::Accident) => flag(r.enterprises.accidents[unit.enterprise] > 0),
                WeightBy::Dim(Dim::Area) => unit.area.as_str().to_owned(),
                WeightBy::Dim(Dim::Tier) => self.tier_name(unit.tier).to_owned(),
                WeightBy::Dim(Dim::Cluster) => {
                    r.symbols.get(r.enterprises.cluster[unit.enterprise]).to_owned()
                }
                WeightBy::Dim(dim @ (Dim::City | Dim::County)) => {
                    let digits = if *dim == Dim::City { 4 } else { 6 };
                    unit.county.cut(digits).map(|code| code.to_string()).unwrap_or_default()
                }
                WeightBy::Dim(Dim::Attribute(name)) => {
                    let place = self.attributes.names.iter().position(|other| other == name);
                    let symbol = place.map(|place| self.attributes.value(r, place, unit));
                    symbol.map(|s| self.attributes.texts[s.0 as usize].clone()).unwrap_or_default()
                }
                WeightBy::Dim(dim) => {
                    product_value(&r.products[unit.product], dim).unwrap_or_default().to_owned()
                }
            };
            let any = if value.is_empty() { None } else { table.get("*") };
            let factor = table.get(&value).or(any).copied().unwrap_or(1);
            facts.push(WeightFact { by: by.to_string(), value, factor });
        }
        if let Some((factor, keep)) = keep.zip(self.policy.keep.as_ref()) {
            facts.push(WeightFact { by: "keep".to_owned(), value: keep.plan.clone(), factor });
        }
        facts
    }
}
