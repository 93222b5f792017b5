//! The policy's conditions and weights, compiled against a registry so that a unit is tested in a
//! few table look-ups.

use std::collections::BTreeMap;

use crate::model::{Area, Channel, DivisionCode, Level, Symbol};
use crate::policy::{Condition, Dim, Policy, WeightBy};
use crate::registry::{Product, Registry};

use super::FrameError;

/// Tier of a unit that no tier is recorded for.
pub const UNKNOWN_TIER: &str = "unknown";

/// What the rules look at in one unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitView {
    /// Row of the enterprise.
    pub enterprise: usize,
    /// Row of the product.
    pub product: usize,
    /// County.
    pub county: DivisionCode,
    /// Area.
    pub area: Area,
    /// Tier, [`Symbol::EMPTY`] for unknown.
    pub tier: Symbol,
    /// Whether an earlier sampling failed.
    pub failed: bool,
    /// Whole months since the last sampling, if there was one.
    pub unchecked_months: Option<u32>,
}

/// The values that a dimension of a product has: one text, or `true` / `false`; none for a
/// dimension that is not the product's.
pub fn product_value<'a>(product: &'a Product, dim: &Dim) -> Option<&'a str> {
    let flag = |value: bool| if value { "true" } else { "false" };
    Some(match dim {
        Dim::Product => &product.id,
        Dim::Category => &product.category,
        Dim::KeyGroup => &product.key_group,
        Dim::Risk => &product.risk,
        Dim::Key => flag(product.key),
        Dim::Licence => flag(product.licence),
        Dim::Ccc => flag(product.ccc),
        _ => return None,
    })
}

/// One test of a unit.
enum Test {
    Products(Vec<bool>),
    Counties(Vec<DivisionCode>),
    Areas([bool; 2]),
    Tiers(Vec<bool>),
    Clusters(Vec<bool>),
    Accident(bool),
    Attribute(usize, Vec<bool>),
}

/// A filter: tests of the unit, and which levels, channels and authorities it is about.
pub(super) struct Rule {
    tests: Vec<Test>,
    levels: [bool; 3],
    channels: [bool; 3],
    authorities: Option<Vec<DivisionCode>>,
}

/// Attributes by name: the value of each unit is the enterprise's, or where that is empty the
/// product's.
pub(super) struct Attributes {
    /// Names.
    pub names: Vec<String>,
    /// Place of the enterprise column, if there is one.
    columns: Vec<Option<usize>>,
    /// Value of each product, as a symbol of `texts`.
    products: Vec<Vec<Symbol>>,
    /// Product values that are no symbols of the registry follow its symbols here.
    pub texts: Vec<String>,
}

impl Attributes {
    /// All attributes of a registry.
    pub fn new(registry: &Registry) -> Self {
        let mut names: Vec<String> =
            registry.enterprises.attributes.iter().map(|(name, _)| name.clone()).collect();
        for product in &registry.products {
            names.extend(product.attributes.iter().map(|(name, _)| name.clone()));
        }
        names.sort();
        names.dedup();
        let mut texts: Vec<String> = registry.symbols.iter().map(str::to_owned).collect();
        let mut places: BTreeMap<String, Symbol> = BTreeMap::new();
        let columns = names
            .iter()
            .map(|name| registry.enterprises.attributes.iter().position(|(n, _)| n == name))
            .collect();
        let products = names
            .iter()
            .map(|name| {
                let value = |product: &Product| {
                    let found = product.attributes.iter().find(|(n, _)| n == name);
                    let Some((_, text)) = found else { return Symbol::EMPTY };
                    registry.symbols.find(text).unwrap_or_else(|| {
                        *places.entry(text.clone()).or_insert_with(|| {
                            texts.push(text.clone());
                            Symbol(texts.len() as u32 - 1)
                        })
                    })
                };
                registry.products.iter().map(value).collect()
            })
            .collect();
        Attributes { names, columns, products, texts }
    }

    /// The value of attribute `place` of a unit, as a place in `texts`.
    pub fn value(&self, registry: &Registry, place: usize, unit: &UnitView) -> Symbol {
        let own = self.columns[place]
            .map(|column| registry.enterprises.attributes[column].1[unit.enterprise]);
        match own {
            Some(symbol) if symbol != Symbol::EMPTY => symbol,
            _ => self.products[place][unit.product],
        }
    }
}

/// Tests texts of symbols once, so that units are tested by number; the empty symbol stands for
/// `empty`.
fn symbol_table<'a>(
    texts: impl Iterator<Item = &'a str>,
    empty: &str,
    condition: &Condition,
) -> Vec<bool> {
    texts.enumerate().map(|(i, t)| condition.matches(if i == 0 { empty } else { t })).collect()
}

impl Rule {
    /// Compiles a filter; values of closed dimensions must exist in the registry.
    pub fn new(
        filter: &[Condition],
        place: &str,
        registry: &Registry,
        attributes: &Attributes,
    ) -> Result<Self, FrameError> {
        let mut rule =
            Rule { tests: Vec::new(), levels: [true; 3], channels: [true; 3], authorities: None };
        for condition in filter {
            check_values(condition, place, registry, attributes)?;
            rule.add(condition, registry, attributes);
        }
        Ok(rule)
    }

    fn add(&mut self, condition: &Condition, registry: &Registry, attributes: &Attributes) {
        let codes = || {
            let mut codes: Vec<DivisionCode> =
                condition.any_of.iter().filter_map(|text| text.parse().ok()).collect();
            codes.sort_unstable();
            codes
        };
        let symbols = |empty: &str| symbol_table(registry.symbols.iter(), empty, condition);
        let test = match &condition.dim {
            Dim::Level => {
                self.levels = std::array::from_fn(|i| condition.matches(Level::ALL[i].as_str()));
                return;
            }
            Dim::Channel => {
                self.channels =
                    std::array::from_fn(|i| condition.matches(Channel::ALL[i].as_str()));
                return;
            }
            Dim::Authority => {
                self.authorities = Some(codes());
                return;
            }
            Dim::City | Dim::County => Test::Counties(codes()),
            Dim::Area => {
                Test::Areas(std::array::from_fn(|i| condition.matches(Area::ALL[i].as_str())))
            }
            Dim::Tier => Test::Tiers(symbols(UNKNOWN_TIER)),
            Dim::Cluster => Test::Clusters(symbols("")),
            Dim::Accident => {
                if condition.any_of.len() > 1 {
                    return;
                }
                Test::Accident(condition.matches("true"))
            }
            Dim::Attribute(name) => {
                let Some(place) = attributes.names.iter().position(|n| n == name) else { return };
                let texts = attributes.texts.iter().map(String::as_str);
                Test::Attribute(place, symbol_table(texts, "", condition))
            }
            dim => Test::Products(
                registry
                    .products
                    .iter()
                    .map(|p| product_value(p, dim).is_some_and(|value| condition.matches(value)))
                    .collect(),
            ),
        };
        self.tests.push(test);
    }

    /// Whether the tests of the unit itself hold.
    pub fn matches_unit(&self, r: &Registry, attributes: &Attributes, unit: &UnitView) -> bool {
        self.tests.iter().all(|test| match test {
            Test::Products(table) => table[unit.product],
            Test::Counties(codes) => codes.iter().any(|code| unit.county.is_within(*code)),
            Test::Areas(table) => table[unit.area.index()],
            Test::Tiers(table) => table[unit.tier.0 as usize],
            Test::Clusters(table) => table[r.enterprises.cluster[unit.enterprise].0 as usize],
            Test::Accident(wanted) => (r.enterprises.accidents[unit.enterprise] > 0) == *wanted,
            Test::Attribute(place, table) => table[attributes.value(r, *place, unit).0 as usize],
        })
    }

    /// Whether the rule is about this level, authority and channel.
    pub fn matches_draw(&self, level: Level, authority: DivisionCode, channel: Channel) -> bool {
        self.levels[level.index()]
            && self.channels[channel.index()]
            && self.authorities.as_ref().is_none_or(|codes| codes.contains(&authority))
    }
}

/// Refuses a value that names nothing in the registry: a slip of the pen would select no batch.
fn check_values(
    condition: &Condition,
    place: &str,
    registry: &Registry,
    attributes: &Attributes,
) -> Result<(), FrameError> {
    let unknown = |value: &str, what: &'static str| FrameError::UnknownValue {
        place: place.to_owned(),
        dim: condition.dim.to_string(),
        value: value.to_owned(),
        what,
    };
    if let Dim::Attribute(name) = &condition.dim
        && !attributes.names.contains(name)
    {
        return Err(unknown(name, "no enterprise and no product has this attribute"));
    }
    for value in &condition.any_of {
        match &condition.dim {
            Dim::City | Dim::County | Dim::Authority => {
                let code = value.parse::<DivisionCode>().ok();
                let known = |code| registry.divisions.iter().any(|d| d.code == code);
                if !code.is_some_and(known) {
                    return Err(unknown(value, "the registry has no such division"));
                }
            }
            dim @ (Dim::Product | Dim::Category | Dim::KeyGroup | Dim::Risk) => {
                let own = Condition { dim: dim.clone(), any_of: vec![value.clone()] };
                let found = registry
                    .products
                    .iter()
                    .any(|product| product_value(product, dim).is_some_and(|v| own.matches(v)));
                if !found {
                    return Err(unknown(value, "no product of the catalogue has this value"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Risk weights as tables.
pub(super) struct WeightTables {
    products: Vec<u64>,
    areas: [u64; 2],
    /// By tier symbol; 0 for a tier that the policy doesn't name.
    tiers: Vec<u64>,
    clusters: Vec<u64>,
    accident: [u64; 2],
    failed: [u64; 2],
    counties: BTreeMap<DivisionCode, u64>,
    attributes: Vec<(usize, Vec<u64>)>,
    unchecked: Vec<(u32, u64)>,
}

fn named(table: &BTreeMap<String, u64>, value: &str) -> Option<u64> {
    let any = || if value.is_empty() { None } else { table.get("*") };
    table.get(value).or_else(any).copied()
}

impl WeightTables {
    /// Compiles the weights of a policy.
    pub fn new(policy: &Policy, r: &Registry, attributes: &Attributes) -> Result<Self, FrameError> {
        let mut tables = WeightTables {
            products: vec![1; r.products.len()],
            areas: [1; 2],
            tiers: vec![1; r.symbols.len()],
            clusters: vec![1; r.symbols.len()],
            accident: [1; 2],
            failed: [1; 2],
            counties: BTreeMap::new(),
            attributes: Vec::new(),
            unchecked: Vec::new(),
        };
        for (by, table) in &policy.weights.0 {
            tables.add(by, table, r, attributes)?;
        }
        Ok(tables)
    }

    fn add(
        &mut self,
        by: &WeightBy,
        table: &BTreeMap<String, u64>,
        r: &Registry,
        attributes: &Attributes,
    ) -> Result<(), FrameError> {
        let factor = |value: &str| named(table, value).unwrap_or(1);
        let flags = [factor("false"), factor("true")];
        let texts = |empty: &'static str| {
            r.symbols.iter().enumerate().map(move |(i, text)| if i == 0 { empty } else { text })
        };
        match by {
            WeightBy::Failed => self.failed = flags,
            WeightBy::Unchecked => {
                self.unchecked = table
                    .iter()
                    .filter_map(|(months, factor)| Some((months.parse().ok()?, *factor)))
                    .collect();
                self.unchecked.sort_unstable();
            }
            WeightBy::Dim(Dim::Accident) => self.accident = flags,
            WeightBy::Dim(Dim::Area) => {
                self.areas = std::array::from_fn(|i| factor(Area::ALL[i].as_str()));
            }
            WeightBy::Dim(Dim::Tier) => {
                self.tiers = texts(UNKNOWN_TIER).map(|t| named(table, t).unwrap_or(0)).collect();
            }
            WeightBy::Dim(Dim::Cluster) => self.clusters = texts("").map(factor).collect(),
            WeightBy::Dim(dim @ (Dim::City | Dim::County)) => {
                let digits = if *dim == Dim::City { 4 } else { 6 };
                for division in r.divisions.iter().filter(|d| d.code.digits() == 6) {
                    let value = division.code.cut(digits).map(|code| factor(&code.to_string()));
                    *self.counties.entry(division.code).or_insert(1) *= value.unwrap_or(1);
                }
            }
            WeightBy::Dim(Dim::Attribute(name)) => {
                let place = attributes.names.iter().position(|n| n == name);
                let place = place.ok_or_else(|| FrameError::UnknownValue {
                    place: "weights".into(),
                    dim: name.clone(),
                    value: name.clone(),
                    what: "no enterprise and no product has this attribute",
                })?;
                let column = attributes.texts.iter().map(|text| factor(text)).collect();
                self.attributes.push((place, column));
            }
            // The channel's factor belongs to the arc, not to the unit.
            WeightBy::Dim(Dim::Channel) => {}
            WeightBy::Dim(dim) => {
                for (slot, product) in self.products.iter_mut().zip(&r.products) {
                    let value = product_value(product, dim).map_or(1, factor);
                    *slot = slot.checked_mul(value).ok_or(FrameError::WeightTooLarge)?;
                }
            }
        }
        Ok(())
    }

    /// The weight of a unit; `None` if it has a tier that the policy doesn't name.
    pub fn weight(
        &self,
        r: &Registry,
        attributes: &Attributes,
        unit: &UnitView,
    ) -> Result<Option<u64>, FrameError> {
        let e = unit.enterprise;
        let tier = self.tiers[unit.tier.0 as usize];
        if tier == 0 {
            return Ok(None);
        }
        let unchecked = self
            .unchecked
            .iter()
            .rev()
            .find(|(months, _)| unit.unchecked_months.is_none_or(|since| since >= *months));
        let county = if self.counties.is_empty() { None } else { self.counties.get(&unit.county) };
        let mut factors = 1u64;
        let product = [
            self.products[unit.product],
            self.areas[unit.area.index()],
            tier,
            self.clusters[r.enterprises.cluster[e].0 as usize],
            self.accident[usize::from(r.enterprises.accidents[e] > 0)],
            self.failed[usize::from(unit.failed)],
            unchecked.map_or(1, |(_, factor)| *factor),
            county.copied().unwrap_or(1),
        ];
        let extra =
            self.attributes.iter().map(|(p, t)| t[attributes.value(r, *p, unit).0 as usize]);
        for factor in product.into_iter().chain(extra) {
            factors = factors
                .checked_mul(factor)
                .filter(|weight| *weight <= crate::policy::WEIGHT_MAX)
                .ok_or(FrameError::WeightTooLarge)?;
        }
        Ok(Some(factors))
    }
}
