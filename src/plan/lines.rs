//! The lines of a plan: what is said of each drawn and each replacement unit.

use std::collections::BTreeMap;

use crate::design::{BATCH, Design};
use crate::draw::{DrawKey, OPTION_LABEL, SubKey, lot, pick_option, round};
use crate::frame::{Frame, SaleOption};
use crate::model::{Channel, Level, Ratio, join};
use crate::policy::Policy;

use super::ranks::{Placed, Ranks, authority, unit_id};
use super::waves::{Supply, expected, network, rounded};
use super::{Line, WaveTotal};

/// Label of the sub-key of the lots that order units inside the waves.
pub(super) const WAVE_LOT_LABEL: &str = "wave-lots";
/// Label of the sub-key that the rounding of the waves is keyed by.
const WAVE_LABEL: &str = "waves";

/// The share and the last day of each wave; one wave, the period, if the policy has none.
fn waves(policy: &Policy) -> Vec<(Ratio, String)> {
    if policy.waves.is_empty() {
        return vec![(Ratio::ONE, policy.period.to.to_string())];
    }
    policy.waves.iter().map(|wave| (wave.share, wave.until.to_string())).collect()
}

/// Which wave, from 0, each drawn unit is sampled in; and the batches of every authority by wave.
pub(super) fn assign_waves(
    frame: &Frame,
    policy: &Policy,
    design: &Design,
    drawn: &[Placed],
    key: &DrawKey,
) -> (Vec<u32>, Vec<Vec<u64>>) {
    let shares: Vec<Ratio> = waves(policy).into_iter().map(|(share, _)| share).collect();
    let authorities = design.authorities.list.len();
    let mut by_class: BTreeMap<(u32, usize), Vec<usize>> = BTreeMap::new();
    for (place, unit) in drawn.iter().enumerate() {
        let first = usize::from(frame.cells.first_wave[unit.cell as usize]);
        by_class.entry((authority(frame, design, unit.arc), first)).or_default().push(place);
    }
    let supplies: Vec<Supply> = design
        .authorities
        .list
        .iter()
        .enumerate()
        .map(|(number, authority)| Supply {
            level: authority.level.index(),
            lines: (0..shares.len())
                .map(|first| by_class.get(&(number as u32, first)).map_or(0, |l| l.len() as u64))
                .collect(),
        })
        .collect();
    let x: Vec<_> = supplies.iter().map(|supply| expected(&shares, supply)).collect();
    let (network, mut values) = network(&supplies, &x);
    round(&network, &mut values, &key.derive(WAVE_LABEL), 1);
    let n = rounded(&supplies, shares.len(), &values);

    let sub_key = key.sub_key(WAVE_LOT_LABEL);
    let mut wave_of = vec![0u32; drawn.len()];
    let mut totals = vec![vec![0u64; shares.len()]; authorities];
    for ((number, first), places) in by_class {
        let mut lots: Vec<_> = places
            .iter()
            .map(|place| {
                let placed = &drawn[*place];
                let id = own_unit_id(frame, placed);
                (lot(&sub_key, &id), id, *place)
            })
            .collect();
        lots.sort_unstable();
        let mut next = lots.iter();
        for (wave, count) in n[number as usize][first].iter().enumerate() {
            totals[number as usize][wave] += count;
            for (_, _, place) in next.by_ref().take(*count as usize) {
                wave_of[*place] = wave as u32;
            }
        }
    }
    (wave_of, totals)
}

fn own_unit_id(frame: &Frame, placed: &Placed) -> String {
    let mut id = String::new();
    let unit = frame.unit_start[placed.cell as usize] + placed.unit;
    unit_id(frame, placed.cell as usize, unit as usize, &mut id);
    id
}

/// What the plan's head says of the waves.
pub(super) fn wave_totals(policy: &Policy, batches: u64, totals: &[Vec<u64>]) -> Vec<WaveTotal> {
    let waves = waves(policy).into_iter().enumerate();
    waves
        .map(|(number, (share, until))| {
            let hundredths = share.floor_of(batches * 100);
            WaveTotal {
                until,
                wanted: format!("{}.{:02}", hundredths / 100, hundredths % 100),
                batches: totals.iter().map(|own| own[number]).sum(),
            }
        })
        .collect()
}

/// `x / (2^32 units)` in lowest terms.
pub(super) fn probability(x: u64, units: u32) -> String {
    let den = u64::from(units) * BATCH;
    let g = crate::model::gcd(x, den);
    format!("{}/{}", x / g, den / g)
}

/// All lines, drawn and replacement units.
pub(super) fn lines(
    frame: &Frame,
    design: &Design,
    ranks: &Ranks,
    wave_of: &[u32],
    key: &DrawKey,
    threads: usize,
) -> Vec<Line> {
    let options = key.sub_key(OPTION_LABEL);
    let x = design.x();
    let waves = wave_of.iter().map(|wave| Some(*wave)).chain(std::iter::repeat(None));
    let all: Vec<(&Placed, Option<u32>)> =
        ranks.drawn.iter().chain(&ranks.replacements).zip(waves).collect();
    let line = |(number, (placed, wave)): (usize, (&Placed, Option<u32>))| {
        let arc = placed.arc as usize;
        let cell = placed.cell as usize;
        let level = Level::ALL[usize::from(design.arcs.level[arc])];
        let channel = Channel::ALL[usize::from(design.arcs.channel[arc])];
        let own_arc = design
            .arcs
            .of_cell(cell)
            .find(|a| {
                design.arcs.level[*a] == design.arcs.level[arc]
                    && design.arcs.channel[*a] == design.arcs.channel[arc]
            })
            .unwrap_or(arc);
        let product = &frame.products[frame.cells.product[cell] as usize];
        let unit = (frame.unit_start[cell] + placed.unit) as usize;
        let enterprise = frame.unit_enterprise[unit] as usize;
        let option = sale_option(frame, placed, unit, channel, &options);
        let first = u32::from(frame.cells.first_wave[cell]);
        Line {
            line: number as u32 + 1,
            level,
            authority: design.authorities.list[authority(frame, design, placed.arc) as usize].code,
            enterprise_id: frame.enterprise_ids.get(enterprise).to_owned(),
            product_id: product.id.clone(),
            channel,
            county: frame.counties[frame.cells.county[cell] as usize],
            area: frame.cells.area[cell],
            tier: frame.tiers.get(frame.cells.tier[cell]).to_owned(),
            key: product.key,
            wave: wave.unwrap_or(first) + 1,
            probability: probability(x[own_arc], frame.cell_units(cell)),
            lot: placed.lot,
            replacement_rank: placed.rank,
            arc: placed.arc,
            cell: placed.cell,
            enterprise_name: frame.enterprise_names.get(enterprise).to_owned(),
            platform: option.map_or("", |o| frame.platforms.get(o.platform)).to_owned(),
            sale_division: option
                .and_then(|o| o.sale_division)
                .map(|code| code.to_string())
                .unwrap_or_default(),
        }
    };
    let part = all.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let handles: Vec<_> = all
            .chunks(part)
            .enumerate()
            .map(|(number, chunk)| {
                let numbers = number * part..;
                let (line, chunk) = (&line, chunk.iter().copied());
                scope.spawn(move || numbers.zip(chunk).map(line).collect::<Vec<Line>>())
            })
            .collect();
        let parts = handles.into_iter().map(join);
        let parts: Vec<Vec<Line>> = parts.collect();
        parts.into_iter().flatten().collect()
    })
}

/// The option that the unit is sampled by: of those of the channel, one by a further lot.
fn sale_option<'a>(
    frame: &'a Frame,
    placed: &Placed,
    unit: usize,
    channel: Channel,
    sub_key: &SubKey,
) -> Option<&'a SaleOption> {
    let list = &frame.options[frame.unit_options[unit] as usize];
    let own: Vec<&SaleOption> = list.iter().filter(|option| option.channel == channel).collect();
    if own.len() < 2 {
        return own.first().copied();
    }
    let text = |option: &&SaleOption| {
        let place = option.sale_division.map(|code| code.to_string()).unwrap_or_default();
        format!("{}/{place}", frame.platforms.get(option.platform))
    };
    let texts: Vec<String> = own.iter().map(text).collect();
    own.get(pick_option(sub_key, &own_unit_id(frame, placed), &texts)).copied()
}
