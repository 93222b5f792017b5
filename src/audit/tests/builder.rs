//! A small honest engine: makes plans of a handful of cells from given expectations, by the
//! slowest and plainest way to everything. It shares no code with the audit.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Digest, FramedHasher, Level, Ratio, gcd};
use crate::plan::*;
use crate::policy::{Bound, Dim, Hardness, Policy, Quota, grouping_text};

pub const HALF: u64 = 1 << 31;
pub const ONE: u64 = 1 << 32;

pub const COUNTIES: [&str; 3] = ["370101", "370102", "370201"];
const AREAS: [&str; 2] = ["urban", "rural"];
const CHANNELS: [&str; 3] = ["production", "circulation", "online"];
const LEVELS: [&str; 3] = ["province", "city", "county"];

/// A cell to be.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    pub county: u32,
    pub area: u8,
    pub product: u32,
    pub tier: u32,
    pub cluster: u32,
    pub accident: u8,
    pub size: u32,
    pub first_wave: u8,
    pub weight: u64,
    pub certain: u8,
    pub units: u32,
    /// Level, channel, x.
    pub arcs: Vec<(u8, u8, u64)>,
}

/// A plan to be.
pub struct Recipe {
    pub policy: String,
    pub seed: String,
    pub cells: Vec<Cell>,
    pub families: [Vec<&'static str>; 2],
    /// Batches by level and code.
    pub budgets: Vec<(u8, &'static str, u64)>,
    /// Whether cells have attributes, clusters and accidents.
    pub attributes: bool,
}

/// A unit of a cell.
#[derive(Debug, Clone)]
struct Unit {
    enterprise: String,
    id: String,
    lot: Digest,
}

struct Arc {
    cell: usize,
    level: u8,
    channel: u8,
    x: u64,
    n: u32,
}

struct Engine<'a> {
    recipe: &'a Recipe,
    policy: Policy,
    products: Vec<ProductOutline>,
    arcs: Vec<Arc>,
}

fn framed(domain: &str, fields: &[&[u8]]) -> Digest {
    fields.iter().fold(FramedHasher::new(domain), |h, f| h.field(f)).finish()
}

fn lot(key: &Digest, id: &str) -> Digest {
    Digest::of(&[&key.0[..], id.as_bytes()].concat())
}

pub fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn products() -> Vec<ProductOutline> {
    let product = |id: &str, category: &str, group: &str, risk: &str| ProductOutline {
        product_id: id.into(),
        name: format!("产品{id}"),
        name_en: String::new(),
        category: category.into(),
        key: !group.is_empty(),
        key_group: group.into(),
        risk: risk.into(),
        licence: id == "P1",
        ccc: false,
        mandatory_standards: texts(&["GB 1-2024"]),
        items: texts(&["strength!"]),
        test_quantity: 2,
        reserve_quantity: 1,
        quantity_unit: "件".into(),
    };
    vec![
        product("P1", "steel/bar", "g", "high"),
        product("P2", "steel/bar/thin", "g", "low"),
        product("P3", "food", "", ""),
    ]
}

impl Engine<'_> {
    fn authority(&self, arc: &Arc) -> String {
        let county = COUNTIES[self.recipe.cells[arc.cell].county as usize];
        county[..[2, 4, 6][arc.level as usize]].to_owned()
    }

    /// The value of an arc: what it is sorted by, and its text.
    fn value(&self, arc: &Arc, dim: &Dim) -> (String, String) {
        let cell = &self.recipe.cells[arc.cell];
        let product = &self.products[cell.product as usize];
        let plain = |text: &str| (text.to_owned(), text.to_owned());
        let numbered = |i: u8, texts: &[&str]| (i.to_string(), texts[i as usize].to_owned());
        let flag = |flag: bool| plain(if flag { "true" } else { "false" });
        match dim {
            Dim::Level => numbered(arc.level, &LEVELS),
            Dim::Channel => numbered(arc.channel, &CHANNELS),
            Dim::Area => numbered(cell.area, &AREAS),
            Dim::Authority => {
                let code = self.authority(arc);
                (format!("{}{code}", arc.level), code)
            }
            Dim::City => plain(&COUNTIES[cell.county as usize][..4]),
            Dim::County => plain(COUNTIES[cell.county as usize]),
            Dim::Product => plain(&product.product_id),
            Dim::Category => plain(&product.category),
            Dim::KeyGroup => plain(&product.key_group),
            Dim::Risk => plain(&product.risk),
            Dim::Key => flag(product.key),
            Dim::Licence => flag(product.licence),
            Dim::Ccc => flag(product.ccc),
            Dim::Tier => plain(["", "A", "D"][cell.tier as usize]),
            Dim::Cluster => plain(["", "silk"][cell.cluster as usize]),
            Dim::Accident => flag(cell.accident == 1),
            Dim::Attribute(_) => plain(["", "big"][cell.size as usize]),
        }
    }

    fn matches(&self, arc: &Arc, quota: &Quota) -> bool {
        quota.filter.iter().all(|condition| {
            let (_, text) = self.value(arc, &condition.dim);
            condition.any_of.iter().any(|wanted| {
                text == *wanted
                    || condition.dim == Dim::Category && text.starts_with(&format!("{wanted}/"))
            })
        })
    }

    fn node(&self, arc: &Arc, number: usize, family: usize, depth: usize) -> String {
        let dims = &self.recipe.families[family];
        if depth == dims.len() + 1 {
            return if family == 0 { arc.cell.to_string() } else { number.to_string() };
        }
        let value = |name: &&str| self.value(arc, &name.parse().unwrap()).1 + "|";
        dims[..depth].iter().map(value).collect()
    }

    /// Nodes of a depth with the arcs in each.
    fn nodes(&self, family: usize, depth: usize) -> BTreeMap<String, Vec<usize>> {
        let mut nodes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, arc) in self.arcs.iter().enumerate() {
            nodes.entry(self.node(arc, i, family, depth)).or_default().push(i);
        }
        nodes
    }

    fn depths(&self, family: usize) -> std::ops::RangeInclusive<usize> {
        0..=self.recipe.families[family].len() + 1
    }

    fn x(&self, arcs: &[usize]) -> u64 {
        arcs.iter().map(|a| self.arcs[*a].x).sum()
    }

    /// A way of rounding that rounds every node: by trying all, in an order that the seed says.
    fn round(&mut self) {
        let mut all = Vec::new();
        for family in 0..2 {
            for depth in self.depths(family) {
                all.extend(self.nodes(family, depth).into_values());
            }
        }
        let fractional: Vec<usize> =
            (0..self.arcs.len()).filter(|a| !self.arcs[*a].x.is_multiple_of(ONE)).collect();
        let all_bits = 1u32 << fractional.len();
        let seed = Digest::of(self.recipe.seed.as_bytes()).0;
        let number = |at: usize| u32::from_le_bytes([seed[at], seed[at + 1], 0, 0]);
        // An odd factor: every combination comes once.
        let (first, step) = (number(0), number(2) | 1);
        for bits in (0..all_bits).map(|i| (i * step + first) % all_bits) {
            let up = |arc: usize| {
                fractional.iter().position(|a| *a == arc).is_some_and(|i| bits >> i & 1 == 1)
            };
            let n: Vec<u64> = (0..self.arcs.len())
                .map(|arc| self.arcs[arc].x / ONE + u64::from(up(arc)))
                .collect();
            let sound = all.iter().all(|node| {
                let (x, n) = (self.x(node), node.iter().map(|a| n[*a]).sum::<u64>());
                n == x / ONE || n == x.div_ceil(ONE)
            });
            if sound {
                for (arc, n) in self.arcs.iter_mut().zip(n) {
                    arc.n = n as u32;
                }
                return;
            }
        }
        panic!("no way of rounding");
    }

    fn units(&self, cell: usize, key: &Digest) -> Vec<Unit> {
        let spec = &self.recipe.cells[cell];
        let product = &self.products[spec.product as usize].product_id;
        let mut units: Vec<Unit> = (0..spec.units)
            .map(|i| {
                let enterprise = format!("E{}{}-{i}", COUNTIES[spec.county as usize], spec.area);
                let enterprise = format!("{enterprise}{}{}", spec.cluster, spec.accident);
                let id = format!("{enterprise}/{product}");
                Unit { lot: lot(key, &id), enterprise, id }
            })
            .collect();
        units.sort_by(|a, b| (a.lot, &a.id).cmp(&(b.lot, &b.id)));
        units
    }

    fn groups(&self, grouping: &[Dim], budgets: &[AuthorityRow]) -> Vec<Vec<(String, String)>> {
        let of_arc = |arc: &Arc| grouping.iter().map(|dim| self.value(arc, dim)).collect();
        let mut groups: BTreeSet<Vec<(String, String)>> = self.arcs.iter().map(of_arc).collect();
        let closed = [Dim::Level, Dim::Authority, Dim::City, Dim::County];
        if grouping.iter().all(|dim| closed.contains(dim)) {
            // Every combination of an authority (or level), city and county that agree.
            for row in budgets {
                let code = row.authority.to_string();
                let level = row.level.index();
                for county in COUNTIES {
                    let wanted = |dim: &Dim| match dim {
                        Dim::Level => (level.to_string(), LEVELS[level].to_owned()),
                        Dim::Authority => (format!("{level}{code}"), code.clone()),
                        Dim::City => (county[..4].to_owned(), county[..4].to_owned()),
                        _ => (county.to_owned(), county.to_owned()),
                    };
                    if county.starts_with(&code) || !grouping.contains(&Dim::Authority) {
                        groups.insert(grouping.iter().map(wanted).collect());
                    }
                }
            }
        }
        groups.into_iter().collect()
    }

    fn rows(&self, budgets: &[AuthorityRow], document: &mut Document) {
        for quota in &self.policy.quotas {
            for grouping in &quota.each {
                for group in self.groups(grouping, budgets) {
                    self.group_rows(quota, grouping, &group, budgets, document);
                }
            }
        }
    }

    fn group_rows(
        &self,
        quota: &Quota,
        grouping: &[Dim],
        group: &[(String, String)],
        budgets: &[AuthorityRow],
        document: &mut Document,
    ) {
        let inside: Vec<usize> = (0..self.arcs.len())
            .filter(|a| {
                let pairs = grouping.iter().zip(group);
                pairs.into_iter().all(|(dim, value)| self.value(&self.arcs[*a], dim) == *value)
            })
            .collect();
        let (own, rest): (Vec<usize>, Vec<usize>) =
            inside.iter().partition(|a| self.matches(&self.arcs[**a], quota));
        let n = |arcs: &[usize]| arcs.iter().map(|a| u64::from(self.arcs[*a].n)).sum::<u64>();
        let cells: BTreeSet<usize> = own.iter().map(|a| self.arcs[*a].cell).collect();
        let units: u64 = cells.iter().map(|c| u64::from(self.recipe.cells[*c].units)).sum();
        let base_dims = quota.of.as_deref().unwrap_or(grouping);
        let open = quota.has_share()
            && base_dims.iter().any(|d| !matches!(d, Dim::Level | Dim::Authority));
        let fixed: u64 = budgets
            .iter()
            .filter(|row| {
                base_dims.iter().all(|dim| {
                    let place = grouping.iter().position(|d| d == dim).unwrap();
                    let level = row.level.index();
                    match dim {
                        Dim::Level => group[place].1 == LEVELS[level],
                        _ => group[place].0 == format!("{level}{}", row.authority),
                    }
                })
            })
            .map(|row| row.batches)
            .sum();
        let shares = [("min", quota.min), ("max", quota.max)];
        let rates = [("min", quota.min_rate), ("max", quota.max_rate)];
        let mut bounds: Vec<(&str, String, u64, Option<Ratio>, u64)> = Vec::new();
        let part = |side: &str, ratio: Ratio, base: u64| {
            let exact = u128::from(ratio.num()) * u128::from(base);
            let den = u128::from(ratio.den());
            (if side == "min" { exact.div_ceil(den) } else { exact / den }) as u64
        };
        for (side, bound) in shares {
            match bound {
                None => {}
                Some(Bound::Batches(n)) => bounds.push((side, n.to_string(), 0, None, n)),
                Some(Bound::Share(s)) if open => {
                    let base = n(&inside);
                    bounds.push((side, s.to_string(), base, Some(s), part(side, s, base)));
                }
                Some(Bound::Share(s)) => {
                    bounds.push((side, s.to_string(), fixed, None, part(side, s, fixed)));
                }
            }
        }
        for (side, rate) in rates {
            if let Some(rate) = rate {
                let asked = format!("{rate} of units");
                bounds.push((side, asked, units, None, part(side, rate, units)));
            }
        }
        let (family, depth, nodes, spans) = self.proof(&own, if open { &rest } else { &[] });
        for (side, asked, base, open_share, required) in bounds {
            let [own_span, rest_span] = spans;
            let holds = match (open_share, side) {
                (None, "min") => own_span.low >= required,
                (None, _) => own_span.high <= required,
                (Some(s), side) => {
                    let (num, den) = (u128::from(s.num()), u128::from(s.den()));
                    let scaled = |own: u64, rest: u64| {
                        ((den - num) * u128::from(own), num * u128::from(rest))
                    };
                    let (low, high) = (
                        scaled(own_span.low, rest_span.high),
                        scaled(own_span.high, rest_span.low),
                    );
                    if side == "min" { low.0 >= low.1 } else { high.0 <= high.1 }
                }
            };
            document.certificate.rows.push(CertificateRow {
                family: family as u8,
                depth: depth as u8,
                nodes,
                x: own_span.x,
                low: own_span.low,
                high: own_span.high,
                rest: open.then_some(rest_span),
            });
            document.compliance.push(ComplianceRow {
                quota: quota.name.clone(),
                scope: grouping_text(grouping),
                group: group.iter().map(|g| g.1.as_str()).collect::<Vec<_>>().join("/"),
                hardness: match quota.hardness {
                    Hardness::Legal => "legal",
                    Hardness::Hard { .. } => "hard",
                    Hardness::Target { .. } => "target",
                }
                .into(),
                bound: side.into(),
                asked,
                base,
                required,
                planned: n(&own),
                guaranteed_low: own_span.low,
                guaranteed_high: own_span.high,
                holds,
            });
        }
    }

    /// The nodes that make up a row: of all depths that do, the one with the fewest nodes.
    fn proof(&self, own: &[usize], rest: &[usize]) -> (usize, usize, u64, [Interval; 2]) {
        let mut best: Option<(u64, usize, usize, u64, [Interval; 2])> = None;
        for family in [1, 0] {
            for depth in self.depths(family) {
                let nodes = self.nodes(family, depth);
                let within = |members: &[usize]| -> Option<(u64, Interval)> {
                    let (mut count, mut span) = (0, Interval { x: 0, low: 0, high: 0 });
                    for node in nodes.values() {
                        let inside = node.iter().filter(|a| members.contains(a)).count();
                        if inside == 0 {
                            continue;
                        }
                        if inside < node.len() {
                            return None;
                        }
                        let x = self.x(node);
                        count += 1;
                        span.x += x;
                        span.low += x / ONE;
                        span.high += x.div_ceil(ONE);
                    }
                    Some((count, span))
                };
                if let (Some((count, own)), Some((more, rest))) = (within(own), within(rest))
                    && best.as_ref().is_none_or(|best| count + more < best.0)
                {
                    best = Some((count + more, family, depth, count, [own, rest]));
                }
            }
        }
        let (_, family, depth, count, spans) = best.unwrap();
        (family, depth, count, spans)
    }

    /// What two arcs must have in common to stand in for each other.
    fn kin(&self, arc: &Arc, tier: usize) -> Option<String> {
        let cell = &self.recipe.cells[arc.cell];
        let product = &self.products[cell.product as usize];
        let last = if tier == 0 { &product.product_id } else { &product.key_group };
        if last.is_empty() {
            return None;
        }
        let mut kin = format!(
            "{}:{}:{}:{}:{}:{last}",
            arc.level,
            self.authority(arc),
            arc.channel,
            cell.area,
            product.key
        );
        for quota in self.policy.quotas.iter().filter(|quota| quota.is_firm()) {
            for grouping in &quota.each {
                let base = quota.of.as_deref().unwrap_or(grouping);
                let open = quota.has_share()
                    && base.iter().any(|d| !matches!(d, Dim::Level | Dim::Authority));
                let matches = self.matches(arc, quota);
                if matches || open {
                    let values: Vec<_> = grouping.iter().map(|d| self.value(arc, d).1).collect();
                    kin += &format!(";{matches}{}", values.join("/"));
                } else {
                    kin += ";-";
                }
            }
        }
        Some(kin)
    }
}

/// A listed unit: arc, cell, rank.
type Listed = (usize, usize, u32, Unit);

impl Engine<'_> {
    fn lists(&self, key: &Digest) -> (Vec<Listed>, Vec<Listed>) {
        let cells = self.recipe.cells.len();
        let mut left: Vec<Vec<Unit>> = (0..cells).map(|c| self.units(c, key)).collect();
        let mut drawn = vec![Vec::new(); self.arcs.len()];
        let mut spare = vec![Vec::new(); self.arcs.len()];
        let per_line = self.policy.replacements_per_line;
        for (a, arc) in self.arcs.iter().enumerate() {
            drawn[a].extend(left[arc.cell].drain(..arc.n as usize).map(|u| (a, arc.cell, 0, u)));
        }
        for (a, arc) in self.arcs.iter().enumerate() {
            let take = left[arc.cell].len().min((per_line * arc.n) as usize);
            for unit in left[arc.cell].drain(..take) {
                let rank = spare[a].len() as u32 + 1;
                spare[a].push((a, arc.cell, rank, unit));
            }
        }
        let mut order: Vec<usize> = (0..self.arcs.len()).collect();
        order.sort_by_key(|a| (self.arcs[*a].level, self.authority(&self.arcs[*a]), *a));
        for tier in 0..2 {
            for a in &order {
                let arc = &self.arcs[*a];
                while (spare[*a].len() as u32) < per_line * arc.n {
                    let Some(kin) = self.kin(arc, tier) else { break };
                    let next = self
                        .arcs
                        .iter()
                        .filter(|other| self.kin(other, tier).as_ref() == Some(&kin))
                        .filter_map(|other| Some((left[other.cell].first()?, other.cell)))
                        .min_by(|x, y| (x.0.lot, &x.0.id).cmp(&(y.0.lot, &y.0.id)))
                        .map(|(_, cell)| cell);
                    let Some(cell) = next else { break };
                    let rank = spare[*a].len() as u32 + 1;
                    let unit = left[cell].remove(0);
                    spare[*a].push((*a, cell, rank, unit));
                }
            }
        }
        let flat = |lists: Vec<Vec<Listed>>| order.iter().flat_map(|a| lists[*a].clone()).collect();
        (flat(drawn), flat(spare))
    }

    fn lines(&self, key: &Digest, wave_key: &Digest) -> Vec<Line> {
        let (drawn, spare) = self.lists(key);
        let waves = self.policy.waves.len().max(1) as u32;
        // Inside an authority the first half of what may come at once comes in the first wave.
        let class = |listed: &Listed| {
            let arc = &self.arcs[listed.0];
            (arc.level, self.authority(arc), self.recipe.cells[listed.1].first_wave)
        };
        let wave = |listed: &Listed| -> u32 {
            let first = u32::from(self.recipe.cells[listed.1].first_wave) + 1;
            let mut peers: Vec<_> = drawn.iter().filter(|l| class(l) == class(listed)).collect();
            peers.sort_by_key(|l| (lot(wave_key, &l.3.id), l.3.id.clone()));
            let place = peers.iter().position(|l| l.3.id == listed.3.id).unwrap();
            if place * 2 < peers.len() { first } else { waves }
        };
        let mut lines = Vec::new();
        for listed in drawn.iter().chain(&spare) {
            let (a, c, rank, unit) = listed;
            let (arc, cell) = (&self.arcs[*a], &self.recipe.cells[*c]);
            let product = &self.products[cell.product as usize];
            let own = self
                .arcs
                .iter()
                .find(|o| o.cell == *c && (o.level, o.channel) == (arc.level, arc.channel))
                .unwrap();
            let den = u64::from(cell.units) * ONE;
            let g = gcd(own.x, den);
            let first = u32::from(cell.first_wave) + 1;
            lines.push(Line {
                line: lines.len() as u32 + 1,
                level: Level::ALL[arc.level as usize],
                authority: self.authority(arc).parse().unwrap(),
                enterprise_id: unit.enterprise.clone(),
                product_id: product.product_id.clone(),
                channel: crate::model::Channel::ALL[arc.channel as usize],
                county: COUNTIES[cell.county as usize].parse().unwrap(),
                area: crate::model::Area::ALL[cell.area as usize],
                tier: ["", "A", "D"][cell.tier as usize].into(),
                key: product.key,
                wave: if *rank == 0 { wave(listed) } else { first },
                probability: format!("{}/{}", own.x / g, den / g),
                lot: unit.lot,
                replacement_rank: *rank,
                arc: *a as u32,
                cell: *c as u32,
                enterprise_name: format!("企业{}", unit.enterprise),
                platform: if arc.channel == 2 { "p".into() } else { String::new() },
                sale_division: if arc.channel == 2 { "370101".into() } else { String::new() },
            });
        }
        lines
    }

    fn budgets(&self, names: &BTreeMap<String, String>, lines: &[Line]) -> Vec<AuthorityRow> {
        let row = |(level, code, batches): &(u8, &'static str, u64)| {
            let drawn = |wave: usize| {
                let own = lines.iter().filter(|line| {
                    line.replacement_rank == 0
                        && line.level.index() == *level as usize
                        && line.authority.to_string() == *code
                });
                own.filter(|line| line.wave as usize == wave + 1).count() as u64
            };
            let cells: BTreeSet<usize> = self
                .arcs
                .iter()
                .filter(|arc| arc.level == *level && self.authority(arc) == *code)
                .map(|arc| arc.cell)
                .collect();
            AuthorityRow {
                level: Level::ALL[*level as usize],
                authority: code.parse().unwrap(),
                name: names[*code].clone(),
                units: cells.iter().map(|c| u64::from(self.recipe.cells[*c].units)).sum(),
                batches: *batches,
                waves: (0..self.policy.waves.len().max(1)).map(drawn).collect(),
            }
        };
        self.recipe.budgets.iter().map(row).collect()
    }

    fn price(&self) -> Vec<Percentile> {
        let cells = &self.recipe.cells;
        let mass = |c: &Cell| u128::from(c.weight) * u128::from(c.units);
        let whole: u128 = cells.iter().map(mass).sum();
        let batches: u64 = self.recipe.budgets.iter().map(|b| b.2).sum();
        let mut all: Vec<u128> = Vec::new();
        for cell in cells {
            let x: u128 = cell.arcs.iter().map(|arc| u128::from(arc.2)).sum();
            let r = x * whole / mass(cell) * 10_000 / (u128::from(batches) * u128::from(ONE));
            all.extend(std::iter::repeat_n(r, cell.units as usize));
        }
        all.sort_unstable();
        let percentile = |percent: u32| {
            let r = all[percent as usize * (all.len() - 1) / 100];
            Percentile { percent, ratio: format!("{}.{:04}", r / 10_000, r % 10_000) }
        };
        [0, 5, 25, 50, 75, 95, 100].map(percentile).to_vec()
    }
}

impl Recipe {
    /// The plan.
    pub fn make(&self) -> Document {
        let policy = Policy::from_toml(&self.policy).unwrap_or_else(|e| panic!("{e}"));
        let mut arcs = Vec::new();
        for (cell, spec) in self.cells.iter().enumerate() {
            arcs.extend(spec.arcs.iter().map(|(level, channel, x)| Arc {
                cell,
                level: *level,
                channel: *channel,
                x: *x,
                n: 0,
            }));
        }
        let mut engine = Engine { recipe: self, policy, products: products(), arcs };
        engine.round();
        let policy = engine.policy.clone();
        let frame_digest = Digest::of(b"frame");
        let input = framed("spotcheck/m1/input", &[&frame_digest.0, &policy.digest().0]);
        let seed = framed("spotcheck/m1/seed-text", &[self.seed.as_bytes()]);
        let key = framed("spotcheck/m1/draw", &[&seed.0, &input.0]);
        let hash = framed("spotcheck/m1/draw-key-hash", &[&key.0]).to_string();
        let sub = |label: &str| framed("spotcheck/m1/sub-key", &[&key.0, label.as_bytes()]);
        let lines = engine.lines(&sub("lots"), &sub("wave-lots"));
        let divisions: Vec<DivisionName> = ["37", "3701", "370101", "370102", "3702", "370201"]
            .iter()
            .map(|code| DivisionName { code: code.parse().unwrap(), name: format!("区{code}") })
            .collect();
        let names: BTreeMap<String, String> =
            divisions.iter().map(|d| (d.code.to_string(), d.name.clone())).collect();
        let authorities = engine.budgets(&names, &lines);
        let batches: u64 = self.budgets.iter().map(|b| b.2).sum();
        let units = self.cells.iter().map(|c| u64::from(c.units)).sum();
        let spare = lines.iter().filter(|l| l.replacement_rank > 0).count() as u64;
        let wave = |share: Ratio, until: String, wave: usize| WaveTotal {
            until,
            wanted: {
                let hundredths = share.floor_of(batches * 100);
                format!("{}.{:02}", hundredths / 100, hundredths % 100)
            },
            batches: authorities.iter().map(|row| row.waves[wave]).sum(),
        };
        let waves = if policy.waves.is_empty() {
            vec![wave(Ratio::ONE, policy.period.to.to_string(), 0)]
        } else {
            let waves = policy.waves.iter().enumerate();
            waves.map(|(i, w)| wave(w.share, w.until.to_string(), i)).collect()
        };
        fn column<T>(cells: &[Cell], value: impl Fn(&Cell) -> T) -> Vec<T> {
            cells.iter().map(value).collect()
        }
        let cells = &self.cells[..];
        let name = "x_size".to_owned();
        let dictionary = BTreeMap::from([(name.clone(), texts(&["", "big"]))]);
        let attribute = BTreeMap::from([(name, column(cells, |c| c.size))]);
        let mut document = Document {
            plan: Head {
                id: format!("{}-{}", policy.id, &hash[..12]),
                method: "m1".into(),
                policy_id: policy.id.clone(),
                title: policy.title.clone(),
                input_digest: input,
                units,
                batches,
                replacements: spare,
                replacement_shortfall: u64::from(policy.replacements_per_line) * batches - spare,
                waves,
                price_of_quotas: engine.price(),
                remarks: vec!["一 remark".into()],
            },
            policy: policy.to_json(),
            frame: FrameOutline {
                digest: frame_digest,
                registry_digest: Digest::of(b"registry"),
                policy_digest: policy.digest(),
                as_of: policy.as_of.to_string(),
                units,
                enterprises: units,
                cells: cells.len() as u64,
                excluded: vec![ExcludedCount { reason: "closed".into(), units: 3 }],
                quality: BTreeMap::from([("units of unknown tier".into(), 2)]),
                divisions,
                counties: COUNTIES.iter().map(|c| c.parse().unwrap()).collect(),
                products: products(),
                tiers: texts(&["", "A", "D"]),
                clusters: texts(if self.attributes { &["", "silk"] } else { &[""] }),
                attributes: if self.attributes { dictionary } else { BTreeMap::new() },
            },
            seed: SeedRecord {
                source: "text".into(),
                text: self.seed.clone(),
                share: String::new(),
                digest: seed,
            },
            allocation: Allocation {
                authorities,
                cells: CellColumns {
                    county: column(cells, |c| c.county),
                    area: column(cells, |c| c.area),
                    product: column(cells, |c| c.product),
                    tier: column(cells, |c| c.tier),
                    cluster: column(cells, |c| c.cluster),
                    accident: column(cells, |c| c.accident),
                    attributes: if self.attributes { attribute } else { BTreeMap::new() },
                    first_wave: column(cells, |c| c.first_wave),
                    weight: column(cells, |c| c.weight),
                    certain: column(cells, |c| c.certain),
                    units: column(cells, |c| c.units),
                },
                arcs: ArcColumns {
                    cell: engine.arcs.iter().map(|a| a.cell as u32).collect(),
                    level: engine.arcs.iter().map(|a| a.level).collect(),
                    channel: engine.arcs.iter().map(|a| a.channel).collect(),
                    x: engine.arcs.iter().map(|a| a.x).collect(),
                    n: engine.arcs.iter().map(|a| a.n).collect(),
                },
            },
            certificate: Certificate {
                families: self.families.each_ref().map(|names| texts(names)),
                rows: Vec::new(),
            },
            compliance: Vec::new(),
            lines,
        };
        let budgets = document.allocation.authorities.clone();
        engine.rows(&budgets, &mut document);
        document
    }
}
