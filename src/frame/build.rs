//! Makes a frame from a registry revision and a policy.

mod facts;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{
    Channel, ChannelSet, Date, Digest, DivisionCode, Level, Symbol, Symbols, TextColumn, add_months,
};
use crate::policy::{Dim, Policy, WEIGHT_MAX};
use crate::registry::{HistoryRow, Registry, Supply, TierRow};

use super::rules::{Attributes, Rule, UNKNOWN_TIER, UnitView, WeightTables};
use super::{CellKey, Cells, Exclusions, Frame, FrameError, Kept, SaleOption};

pub use facts::{ExcludeFact, TierFact, UnitFacts, WeightFact, WindowFact};

const WINDOW: &str = "sampled before: the no-repeat window outlasts the period";
/// The finding that counts lines of an earlier plan that cannot be kept.
pub(crate) const NOT_KEPT: &str = "drawn lines of the earlier plan that cannot be kept";
const NO_CHANNEL: &str = "no level may draw the product in a channel in which it is supplied";

impl Frame {
    /// Freezes the part of `registry` that `policy` can draw from.
    ///
    /// # Errors
    /// If the policy names something that the registry lacks, or the registry has a tier that
    /// the policy doesn't name; see [`FrameError`].
    pub fn freeze(
        registry: &Registry,
        registry_digest: Digest,
        policy: &Policy,
    ) -> Result<Frame, FrameError> {
        Self::freeze_keeping(registry, registry_digest, policy, None)
    }

    /// The same for a policy that keeps lines of an earlier plan: these.
    ///
    /// # Errors
    /// As [`Frame::freeze`]; and if the policy keeps lines and none are given.
    pub fn freeze_keeping(
        registry: &Registry,
        registry_digest: Digest,
        policy: &Policy,
        kept: Option<&Kept>,
    ) -> Result<Frame, FrameError> {
        let builder = Builder::new(registry, policy, kept)?;
        let gathered = builder.gather()?;
        Ok(builder.finish(gathered, registry_digest))
    }
}

/// Cell key in terms of the registry's own numbers.
type RawKey = CellKey;

/// What the scan over the supply found.
#[derive(Default)]
struct Gathered {
    keys: HashMap<RawKey, u32>,
    options: HashMap<Vec<SaleOption>, u32>,
    /// Cell (in order of discovery), enterprise row, option list (in order of discovery).
    units: Vec<[u32; 3]>,
    /// Enterprise row, product row, reason (in order of discovery).
    excluded: Vec<[u32; 3]>,
    reasons: Vec<String>,
    reason_places: BTreeMap<String, u32>,
    quality: BTreeMap<&'static str, u64>,
    /// Lines of an earlier plan that are kept.
    kept: u64,
}

impl Gathered {
    fn exclude(&mut self, enterprise: u32, product: u32, reason: &str) {
        let place = match self.reason_places.get(reason) {
            Some(place) => *place,
            None => {
                let place = self.reasons.len() as u32;
                self.reasons.push(reason.to_owned());
                self.reason_places.insert(reason.to_owned(), place);
                place
            }
        };
        self.excluded.push([enterprise, product, place]);
    }
}

struct Builder<'a> {
    registry: &'a Registry,
    policy: &'a Policy,
    province: DivisionCode,
    counties: Vec<DivisionCode>,
    /// For each county: the authority of each level, if the level takes part and has one there.
    authorities: Vec<[Option<DivisionCode>; 3]>,
    attributes: Attributes,
    /// Which attributes, and whether clusters and accidents, separate cells.
    mentioned: Vec<usize>,
    cluster: bool,
    accident: bool,
    exclude: Vec<Rule>,
    certain: Vec<(Rule, Option<Level>)>,
    weights: WeightTables,
    exempt: Vec<bool>,
    failed: Option<Symbol>,
    unknown: Option<Symbol>,
    kept: Option<Keeping>,
}

/// Lines to be kept.
struct Keeping {
    lines: u64,
    of: HashMap<(u32, u32), (Level, Channel)>,
    /// By level: what multiplies weights; none for certainty units.
    weight: [Option<u64>; 3],
}

impl<'a> Builder<'a> {
    fn new(
        registry: &'a Registry,
        policy: &'a Policy,
        kept: Option<&Kept>,
    ) -> Result<Self, FrameError> {
        let kept = match (&policy.keep, kept) {
            (None, _) => None,
            (Some(keep), Some(kept)) => Some(Keeping {
                lines: kept.len() as u64,
                of: kept.places(registry),
                weight: keep.gives_way.map(|gives| keep.weight.filter(|_| gives)),
            }),
            (Some(keep), None) => {
                return Err(FrameError::KeptMissing { plan: keep.plan.clone() });
            }
        };
        let codes = |digits| {
            let all = registry.divisions.iter().map(|d| d.code);
            all.filter(|code| code.digits() == digits).collect::<Vec<_>>()
        };
        let province = *codes(2).first().ok_or(FrameError::NoProvince)?;
        let cities = codes(4);
        let counties = codes(6);
        let takes_part = |level: Level| policy.budget[level.index()].is_some();
        let authorities = counties
            .iter()
            .map(|county| {
                let city = county.city().filter(|city| cities.binary_search(city).is_ok());
                [
                    Some(province).filter(|_| takes_part(Level::Province)),
                    city.filter(|_| takes_part(Level::City)),
                    Some(*county).filter(|_| takes_part(Level::County)),
                ]
            })
            .collect();
        let attributes = Attributes::new(registry);
        let mentioned_dims: BTreeSet<&Dim> = policy
            .quotas
            .iter()
            .flat_map(|quota| {
                let filter = quota.filter.iter().map(|condition| &condition.dim);
                filter.chain(quota.each.iter().flatten()).chain(quota.of.iter().flatten())
            })
            .collect();
        for (number, quota) in policy.quotas.iter().enumerate() {
            let place = format!("quota[{number}] `{}`", quota.name);
            Rule::new(&quota.filter, &place, registry, &attributes)?;
        }
        let mut exclude = Vec::new();
        for (number, rule) in policy.exclude.iter().enumerate() {
            let place = format!("exclude[{number}]");
            exclude.push(Rule::new(&rule.filter, &place, registry, &attributes)?);
        }
        let mut certain = Vec::new();
        for (number, rule) in policy.certain.iter().enumerate() {
            let place = format!("certain[{number}]");
            let compiled = Rule::new(&rule.filter, &place, registry, &attributes)?;
            certain.push((compiled, rule.level));
        }
        let exempt = policy.window.as_ref().map_or(&[][..], |window| &window.exempt);
        let mentioned = (0..attributes.names.len())
            .filter(|i| mentioned_dims.contains(&Dim::Attribute(attributes.names[*i].clone())))
            .collect();
        Ok(Builder {
            registry,
            policy,
            province,
            authorities,
            counties,
            mentioned,
            cluster: mentioned_dims.contains(&Dim::Cluster),
            accident: mentioned_dims.contains(&Dim::Accident),
            exclude,
            certain,
            weights: WeightTables::new(policy, registry, &attributes)?,
            attributes,
            exempt: registry.symbols.iter().map(|text| exempt.iter().any(|e| e == text)).collect(),
            failed: registry.symbols.find("failed"),
            unknown: registry.symbols.find(UNKNOWN_TIER),
            kept,
        })
    }

    /// Scans the supply once, beside the tiers and the history, which have the same order.
    fn gather(&self) -> Result<Gathered, FrameError> {
        let r = self.registry;
        let mut found = Gathered::default();
        let (mut tiers, mut history) = (&r.tiers[..], &r.history[..]);
        let mut options = Vec::new();
        for rows in r.supply.chunk_by(|a, b| (a.enterprise, a.product) == (b.enterprise, b.product))
        {
            let (enterprise, product) = (rows[0].enterprise, rows[0].product);
            let skip = tiers.partition_point_near(|row| row.enterprise < enterprise);
            tiers = &tiers[skip..];
            let skip = history
                .partition_point_near(|row| (row.enterprise, row.product) < (enterprise, product));
            history = &history[skip..];
            let own = history
                .partition_point_near(|row| (row.enterprise, row.product) <= (enterprise, product));
            self.unit(rows, tiers, &history[..own], &mut options, &mut found)?;
        }
        if let Some(kept) = &self.kept
            && found.kept < kept.lines
        {
            found.quality.insert(NOT_KEPT, kept.lines - found.kept);
        }
        if u32::try_from(found.units.len()).is_err() {
            return Err(FrameError::TooManyUnits { units: found.units.len() as u64 });
        }
        Ok(found)
    }

    fn unit(
        &self,
        rows: &[Supply],
        tiers: &[TierRow],
        history: &[HistoryRow],
        options: &mut Vec<SaleOption>,
        found: &mut Gathered,
    ) -> Result<(), FrameError> {
        let r = self.registry;
        let (e, p) = (rows[0].enterprise as usize, rows[0].product as usize);
        let status = r.enterprises.status[e];
        if status != crate::model::Status::Active {
            found.exclude(rows[0].enterprise, rows[0].product, &format!("enterprise {status}"));
            return Ok(());
        }
        let past = self.past(history);
        let Some(first_wave) = past.first_wave else {
            found.exclude(rows[0].enterprise, rows[0].product, WINDOW);
            return Ok(());
        };
        let division = r.enterprises.division[e];
        let county = division.county().and_then(|c| self.counties.binary_search(&c).ok());
        let Some(county) = county else {
            found.exclude(rows[0].enterprise, rows[0].product, "county is not in the registry");
            return Ok(());
        };
        let tier = self.tier(rows[0].enterprise, rows[0].product, tiers);
        let unit = UnitView {
            enterprise: e,
            product: p,
            county: self.counties[county],
            area: r.enterprises.area[e],
            tier,
            failed: past.failed,
            unchecked_months: past.unchecked_months,
        };
        let channels = match self.channels(rows, county, &unit, found) {
            Ok(channels) => channels,
            Err(reason) => {
                found.exclude(rows[0].enterprise, rows[0].product, reason);
                return Ok(());
            }
        };
        let Some(mut weight) = self.weights.weight(r, &self.attributes, &unit)? else {
            return Err(self.unknown_tier(tier, e));
        };
        let (channels, certain) = match self.kept(channels, &unit) {
            None => self.certainty(channels, &unit),
            Some((only, factor)) => {
                found.kept += 1;
                let product = weight.checked_mul(factor.unwrap_or(1));
                weight = product.filter(|w| *w <= WEIGHT_MAX).ok_or(FrameError::WeightTooLarge)?;
                (only, factor.is_none())
            }
        };
        if tier == Symbol::EMPTY {
            *found.quality.entry("units of unknown tier").or_insert(0) += 1;
        }
        let key = CellKey {
            county: county as u32,
            area: unit.area,
            product: rows[0].product,
            channels,
            tier,
            cluster: if self.cluster { r.enterprises.cluster[e] } else { Symbol::EMPTY },
            accident: self.accident && r.enterprises.accidents[e] > 0,
            attributes: self
                .mentioned
                .iter()
                .map(|place| self.attributes.value(r, *place, &unit))
                .collect(),
            first_wave,
            weight,
            certain,
        };
        let all = channels.iter().flat_map(|set| set.iter()).collect::<ChannelSet>();
        options.clear();
        options.extend(rows.iter().filter(|row| all.contains(row.channel)).map(|row| SaleOption {
            channel: row.channel,
            platform: row.platform,
            sale_division: row.sale_division,
        }));
        let option = match found.options.get(options) {
            Some(option) => *option,
            None => {
                let next = found.options.len() as u32;
                found.options.insert(options.clone(), next);
                next
            }
        };
        let next = found.keys.len() as u32;
        let cell = *found.keys.entry(key).or_insert(next);
        found.units.push([cell, rows[0].enterprise, option]);
        Ok(())
    }

    /// The tier on the day of the frame: the unit's own, else the enterprise's, else its credit
    /// class, else unknown.
    fn tier(&self, enterprise: u32, product: u32, tiers: &[TierRow]) -> Symbol {
        let own = tiers.iter().take_while(|row| row.enterprise == enterprise);
        let valid = own.filter(|row| row.valid_from.is_none_or(|day| day <= self.policy.as_of));
        let (mut general, mut special) = (None, None);
        for row in valid {
            // Ascending by day, so the last one that holds is the newest.
            match row.product {
                None => general = Some(row.tier),
                Some(p) if p == product => special = Some(row.tier),
                Some(_) => {}
            }
        }
        let class = self.registry.enterprises.credit_class[enterprise as usize];
        let tier = special.or(general).unwrap_or(class);
        if Some(tier) == self.unknown { Symbol::EMPTY } else { tier }
    }

    fn past(&self, history: &[HistoryRow]) -> Past {
        let mut past = Past { first_wave: Some(0), failed: false, unchecked_months: None };
        let known = history.iter().filter(|row| row.sampled_on <= self.policy.as_of);
        let mut free_from: Option<Date> = None;
        let mut last: Option<Date> = None;
        for row in known {
            past.failed |= Some(row.outcome) == self.failed;
            last = last.max(Some(row.sampled_on));
            if let Some(window) = &self.policy.window
                && !self.exempt[row.outcome.0 as usize]
            {
                free_from = free_from.max(Some(add_months(row.sampled_on, window.months)));
            }
        }
        past.unchecked_months = last.map(|day| months_between(day, self.policy.as_of));
        if let Some(day) = free_from {
            let waves = &self.policy.waves;
            past.first_wave = if waves.is_empty() {
                (day <= self.policy.period.to).then_some(0)
            } else {
                waves.iter().position(|wave| wave.until >= day).map(|wave| wave as u8)
            };
        }
        past
    }

    /// The channels in which each level may draw the unit, or why there is none.
    fn channels(
        &self,
        rows: &[Supply],
        county: usize,
        unit: &UnitView,
        found: &mut Gathered,
    ) -> Result<[ChannelSet; 3], &str> {
        let product = &self.registry.products[unit.product];
        let supplied: ChannelSet = rows.iter().map(|row| row.channel).collect();
        let offered = supplied.and(product.channels);
        if offered != supplied {
            *found
                .quality
                .entry("units supplied in a channel that the product excludes")
                .or_insert(0) += 1;
        }
        let rules: Vec<usize> = (0..self.exclude.len())
            .filter(|i| self.exclude[*i].matches_unit(self.registry, &self.attributes, unit))
            .collect();
        let mut reason = None;
        let mut channels = [ChannelSet::EMPTY; 3];
        for level in Level::ALL {
            let Some(authority) = self.authorities[county][level.index()] else { continue };
            if !product.levels[level.index()] {
                continue;
            }
            for channel in offered.iter() {
                let stops = |i: &&usize| self.exclude[**i].matches_draw(*level, authority, channel);
                match rules.iter().find(stops) {
                    None => channels[level.index()].insert(channel),
                    Some(rule) => {
                        reason.get_or_insert(self.policy.exclude[*rule].reason.as_str());
                    }
                }
            }
        }
        if channels.iter().all(|set| set.is_empty()) {
            Err(reason.unwrap_or(NO_CHANNEL))
        } else {
            Ok(channels)
        }
    }

    /// Where a unit of an earlier plan's line is kept, and by what its weight is multiplied then;
    /// none in the first place if there is no such line, or it can't be kept.
    fn kept(
        &self,
        channels: [ChannelSet; 3],
        unit: &UnitView,
    ) -> Option<([ChannelSet; 3], Option<u64>)> {
        let kept = self.kept.as_ref()?;
        let (level, channel) = kept.of.get(&(unit.enterprise as u32, unit.product as u32))?;
        if !channels[level.index()].contains(*channel) {
            return None;
        }
        let mut only = [ChannelSet::EMPTY; 3];
        only[level.index()].insert(*channel);
        Some((only, kept.weight[level.index()]))
    }

    /// Whether the unit is taken for certain; a rule that names a level leaves it to that level
    /// where the level may draw it.
    fn certainty(&self, channels: [ChannelSet; 3], unit: &UnitView) -> ([ChannelSet; 3], bool) {
        let matching = self
            .certain
            .iter()
            .find(|(rule, _)| rule.matches_unit(self.registry, &self.attributes, unit));
        match matching {
            None => (channels, false),
            Some((_, Some(level))) if !channels[level.index()].is_empty() => {
                let mut only = [ChannelSet::EMPTY; 3];
                only[level.index()] = channels[level.index()];
                (only, true)
            }
            Some(_) => (channels, true),
        }
    }

    fn unknown_tier(&self, tier: Symbol, enterprise: usize) -> FrameError {
        let text = self.registry.symbols.get(tier);
        let tier = if text.is_empty() { UNKNOWN_TIER } else { text };
        let table = self.policy.weights.0.get(&crate::policy::WeightBy::Dim(Dim::Tier));
        let named: Vec<&str> = table.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        FrameError::UnknownTier {
            tier: tier.to_owned(),
            enterprise: self.registry.enterprises.ids.get(enterprise).to_owned(),
            named: named.join(", "),
        }
    }

    /// Puts cells, dictionaries and units into their canonical order.
    fn finish(&self, found: Gathered, registry_digest: Digest) -> Frame {
        let r = self.registry;
        let mut used_products = vec![false; r.products.len()];
        let (mut tiers, mut clusters) = (BTreeSet::new(), BTreeSet::new());
        let mut values = vec![BTreeSet::new(); self.mentioned.len()];
        for key in found.keys.keys() {
            used_products[key.product as usize] = true;
            tiers.insert(key.tier);
            clusters.insert(key.cluster);
            for (set, value) in values.iter_mut().zip(&key.attributes) {
                set.insert(*value);
            }
        }
        let tier_text = |symbol: Symbol| match r.symbols.get(symbol) {
            "" => UNKNOWN_TIER,
            text => text,
        };
        let attribute_text = |symbol: Symbol| self.attributes.texts[symbol.0 as usize].as_str();
        let tiers = Symbols::new(tiers.into_iter().map(tier_text));
        let clusters = Symbols::new(clusters.into_iter().map(|symbol| r.symbols.get(symbol)));
        let attributes: Vec<(String, Symbols)> = self
            .mentioned
            .iter()
            .zip(&values)
            .map(|(place, set)| {
                let texts = set.iter().map(|symbol| attribute_text(*symbol));
                (self.attributes.names[*place].clone(), Symbols::new(texts))
            })
            .collect();
        let product_places = places(&used_products);
        let find = |symbols: &Symbols, text: &str| symbols.find(text).unwrap_or_default();
        let canonical = |key: &RawKey| CellKey {
            product: product_places[key.product as usize],
            tier: find(&tiers, tier_text(key.tier)),
            cluster: find(&clusters, r.symbols.get(key.cluster)),
            attributes: key
                .attributes
                .iter()
                .zip(&attributes)
                .map(|(symbol, (_, symbols))| find(symbols, attribute_text(*symbol)))
                .collect(),
            ..key.clone()
        };
        let mut keys: Vec<(CellKey, u32)> =
            found.keys.iter().map(|(key, cell)| (canonical(key), *cell)).collect();
        keys.sort_unstable();
        let mut cells = Cells::default();
        cells.attributes.resize_with(self.mentioned.len(), Vec::new);
        let mut cell_place = vec![0u32; keys.len()];
        for (place, (key, cell)) in keys.iter().enumerate() {
            cells.push(key);
            cell_place[*cell as usize] = place as u32;
        }
        let (options, platforms, option_place) = self.options(&found.options);
        let units = sort_units(&found.units, &cell_place, keys.len());

        let mut used = vec![false; r.enterprises.len()];
        for [_, enterprise, _] in &found.units {
            used[*enterprise as usize] = true;
        }
        let enterprise_place = places(&used);
        let pick = |column: &TextColumn| {
            let rows = (0..used.len()).filter(|row| used[*row]);
            rows.map(|row| column.get(row)).collect::<TextColumn>()
        };
        Frame {
            hash: self.policy.hash,
            registry_digest,
            policy_digest: self.policy.digest(),
            as_of: self.policy.as_of,
            divisions: r
                .divisions
                .iter()
                .filter(|division| division.code.digits() <= 6)
                .map(|division| (division.code, division.name.clone()))
                .collect(),
            counties: self.counties.clone(),
            products: r
                .products
                .iter()
                .zip(&used_products)
                .filter(|(_, used)| **used)
                .map(|(product, _)| product.clone())
                .collect(),
            tiers,
            clusters,
            attributes,
            platforms,
            options,
            enterprise_ids: pick(&r.enterprises.ids),
            enterprise_names: pick(&r.enterprises.names),
            unit_start: units.start,
            unit_enterprise: units
                .order
                .iter()
                .map(|unit| enterprise_place[found.units[*unit as usize][1] as usize])
                .collect(),
            unit_options: units
                .order
                .iter()
                .map(|unit| option_place[found.units[*unit as usize][2] as usize])
                .collect(),
            quality: self.quality(&found, &used_products, &cells),
            cells,
            exclusions: self.exclusions(found),
        }
    }

    /// Option lists in canonical order, their platforms, and where each list went.
    fn options(
        &self,
        found: &HashMap<Vec<SaleOption>, u32>,
    ) -> (Vec<Vec<SaleOption>>, Symbols, Vec<u32>) {
        let names: BTreeSet<Symbol> =
            found.keys().flatten().map(|option| option.platform).collect();
        let platforms = Symbols::new(names.into_iter().map(|s| self.registry.symbols.get(s)));
        let canonical = |option: &SaleOption| SaleOption {
            platform: platforms
                .find(self.registry.symbols.get(option.platform))
                .unwrap_or_default(),
            ..*option
        };
        let mut lists: Vec<(Vec<SaleOption>, u32)> = found
            .iter()
            .map(|(list, place)| (list.iter().map(canonical).collect(), *place))
            .collect();
        lists.sort_unstable();
        let mut place = vec![0; lists.len()];
        for (new, (_, old)) in lists.iter().enumerate() {
            place[*old as usize] = new as u32;
        }
        (lists.into_iter().map(|(list, _)| list).collect(), platforms, place)
    }

    fn exclusions(&self, found: Gathered) -> Exclusions {
        let mut reasons = found.reasons.clone();
        reasons.sort();
        let place: Vec<u32> = found
            .reasons
            .iter()
            .map(|reason| reasons.partition_point(|other| other < reason) as u32)
            .collect();
        let r = self.registry;
        let mut exclusions = Exclusions { reasons, ..Exclusions::default() };
        for [enterprise, product, reason] in &found.excluded {
            exclusions.enterprise.push(r.enterprises.ids.get(*enterprise as usize));
            exclusions.product.push(&r.products[*product as usize].id);
            let county = r.enterprises.division[*enterprise as usize].county();
            let county = county.and_then(|code| self.counties.binary_search(&code).ok());
            exclusions.county.push(county.unwrap_or(self.counties.len()) as u32);
            exclusions.reason.push(place[*reason as usize]);
        }
        exclusions
    }

    fn quality(&self, found: &Gathered, used: &[bool], cells: &Cells) -> Vec<(String, u64)> {
        let mut quality: BTreeMap<String, u64> =
            found.quality.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        let mut note = |what: &str, count: u64| {
            if count > 0 {
                quality.insert(what.to_owned(), count);
            }
        };
        let unused = used.iter().filter(|used| !**used).count();
        note("products without an eligible unit", unused as u64);
        let mut seen = vec![false; self.counties.len()];
        for county in &cells.county {
            seen[*county as usize] = true;
        }
        let unseen = seen.iter().filter(|seen| !**seen).count();
        note("counties without an eligible unit", unseen as u64);
        let late =
            self.registry.history.iter().filter(|row| row.sampled_on > self.policy.as_of).count();
        note("history rows after the day of the frame, not counted", late as u64);
        let outside =
            |row: &&Supply| row.sale_division.is_some_and(|place| !place.is_within(self.province));
        let outside = self.registry.supply.iter().filter(outside).count();
        note("supply rows sold outside the province", outside as u64);
        quality.into_iter().collect()
    }
}

/// What the history says of a unit.
struct Past {
    /// Earliest wave that the window leaves open.
    first_wave: Option<u8>,
    failed: bool,
    unchecked_months: Option<u32>,
}

/// Whole calendar months from `from` to `to`, 0 if `to` is earlier.
fn months_between(from: Date, to: Date) -> u32 {
    let months = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month())
        - i32::from(from.month());
    let months = u32::try_from(months).unwrap_or(0);
    if months > 0 && add_months(from, months) > to { months - 1 } else { months }
}

/// The place of each used row among the used rows.
fn places(used: &[bool]) -> Vec<u32> {
    let mut next = 0;
    used.iter()
        .map(|used| {
            let place = next;
            next += u32::from(*used);
            place
        })
        .collect()
}

struct SortedUnits {
    start: Vec<u32>,
    order: Vec<u32>,
}

/// Units by cell, in the order of the supply inside each.
fn sort_units(units: &[[u32; 3]], cell_place: &[u32], cells: usize) -> SortedUnits {
    let mut start = vec![0u32; cells + 1];
    for [cell, ..] in units {
        start[cell_place[*cell as usize] as usize + 1] += 1;
    }
    for cell in 0..cells {
        start[cell + 1] += start[cell];
    }
    let mut next = start.clone();
    let mut order = vec![0u32; units.len()];
    for (unit, [cell, ..]) in units.iter().enumerate() {
        let slot = &mut next[cell_place[*cell as usize] as usize];
        order[*slot as usize] = unit as u32;
        *slot += 1;
    }
    SortedUnits { start, order }
}

/// Finds the end of a prefix that is usually short.
trait NearPartition<T> {
    /// As `partition_point`, in time that grows with the logarithm of the answer.
    fn partition_point_near(&self, holds: impl Fn(&T) -> bool) -> usize;
}

impl<T> NearPartition<T> for [T] {
    fn partition_point_near(&self, holds: impl Fn(&T) -> bool) -> usize {
        let mut step = 1;
        while step <= self.len() && holds(&self[step - 1]) {
            step *= 2;
        }
        let (low, high) = (step / 2, step.min(self.len()));
        low + self[low..high].partition_point(holds)
    }
}
