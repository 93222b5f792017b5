//! The lines one by one: order, counts, what each says, probabilities, waves allowed.

use std::collections::HashMap;

use crate::model::{Channel, Digest, DivisionCode, Level, check_id, gcd};
use crate::plan::Line;

use super::report::{Check, Kind, Ledger};
use super::view::{BATCH, View, county};

/// Number of drawn lines of each arc.
pub(super) fn drawn(view: &View<'_>) -> Vec<u64> {
    let mut drawn = vec![0; view.arcs.cell.len()];
    for line in view.document.drawn() {
        drawn[line.arc as usize] += 1;
    }
    drawn
}

/// Makes all checks of single lines. `lots` are the recomputed lots, in the order of lines.
pub(super) fn check(view: &View<'_>, drawn: &[u64], lots: &[Digest], ledger: &mut Ledger) {
    ledger.make(Kind::LineOrder, |check| order(view, check));
    ledger.make(Kind::LineCounts, |check| counts(view, drawn, check));
    ledger.make(Kind::LineFacts, |check| facts(view, check));
    ledger.make(Kind::Probability, |check| probabilities(view, check));
    ledger.make(Kind::Disjoint, |check| disjoint(view, lots, check));
    ledger.make(Kind::Window, |check| window(view, check));
}

fn order(view: &View<'_>, check: &mut Check) {
    let key = |line: &Line| {
        let spare = line.replacement_rank > 0;
        (spare, view.authority(line.arc as usize), line.arc, line.replacement_rank)
    };
    let mut last: Option<&Line> = None;
    for (place, line) in view.document.lines.iter().enumerate() {
        check.require(u64::from(line.line) == place as u64 + 1, || {
            format!("line {} stands at place {}", line.line, place + 1)
        });
        check.require(last.is_none_or(|last| key(last) <= key(line)), || {
            format!(
                "line {}: arc {} or rank {} does not come after the line before",
                line.line, line.arc, line.replacement_rank
            )
        });
        if line.replacement_rank > 0 {
            let before = last.filter(|last| last.arc == line.arc);
            let expected = before.map_or(0, |last| u64::from(last.replacement_rank)) + 1;
            check.require(u64::from(line.replacement_rank) == expected, || {
                let (arc, rank) = (line.arc, line.replacement_rank);
                format!("line {}: rank {rank} in arc {arc} where {expected} is next", line.line)
            });
        }
        last = Some(line);
    }
}

fn counts(view: &View<'_>, drawn: &[u64], check: &mut Check) {
    for (arc, (n, drawn)) in view.arcs.n.iter().zip(drawn).enumerate() {
        check.require(u64::from(*n) == *drawn, || {
            format!("arc {arc}: {n} batches, but {drawn} drawn lines")
        });
    }
}

fn facts(view: &View<'_>, check: &mut Check) {
    let (frame, cells, arcs) = (&view.document.frame, view.cells, view.arcs);
    let authorities = &view.document.allocation.authorities;
    let mut enterprises: HashMap<&str, &Line> = HashMap::new();
    for line in &view.document.lines {
        let (cell, arc) = (line.cell as usize, line.arc as usize);
        let product = &frame.products[cells.product[cell] as usize];
        let authority = &authorities[view.authority(arc) as usize];
        let mut agree = |what: &str, sound: bool| {
            check.require(sound, || {
                format!(
                    "line {}: {what} is not that of its cell {cell} or arc {arc}: {}",
                    line.line,
                    said(line, what)
                )
            });
        };
        agree("level", Level::ALL[usize::from(arcs.level[arc])] == line.level);
        agree("authority", authority.authority == line.authority);
        agree("channel", Channel::ALL[usize::from(arcs.channel[arc])] == line.channel);
        agree("county", county(view, cell) == line.county);
        agree("area", usize::from(cells.area[cell]) == line.area.index());
        agree("tier", frame.tiers[cells.tier[cell] as usize] == line.tier);
        agree("product_id", product.product_id == line.product_id);
        agree("key", product.key == line.key);
        agree("cell", line.replacement_rank > 0 || arcs.cell[arc] == line.cell);
        check.require(check_id(&line.enterprise_id).is_ok(), || {
            format!("line {}: enterprise_id {:?} is no id", line.line, line.enterprise_id)
        });
        check.require(line.platform.is_empty() || line.channel == Channel::Online, || {
            format!("line {}: has platform {:?} though not online", line.line, line.platform)
        });
        let place = line.sale_division.as_str();
        check.require(place.is_empty() || place.parse::<DivisionCode>().is_ok(), || {
            format!("line {}: sale_division {place:?} is no division code", line.line)
        });
        let first = *enterprises.entry(&line.enterprise_id).or_insert(line);
        let own = |line: &Line| {
            let cell = line.cell as usize;
            (cells.county[cell], cells.area[cell], cells.cluster[cell], cells.accident[cell])
        };
        let same = first.enterprise_name == line.enterprise_name && own(first) == own(line);
        check.require(same, || {
            format!(
                "lines {} and {}: enterprise {:?} has two names, places, clusters or histories",
                first.line, line.line, line.enterprise_id
            )
        });
    }
}

/// What a line says of `what`, for a message.
fn said(line: &Line, what: &str) -> String {
    match what {
        "level" => line.level.to_string(),
        "authority" => line.authority.to_string(),
        "channel" => line.channel.to_string(),
        "county" => line.county.to_string(),
        "area" => line.area.to_string(),
        "tier" => format!("{:?}", line.tier),
        "product_id" => format!("{:?}", line.product_id),
        "key" => line.key.to_string(),
        _ => line.cell.to_string(),
    }
}

fn probabilities(view: &View<'_>, check: &mut Check) {
    for line in &view.document.lines {
        let cell = line.cell as usize;
        let Some(arc) = view.same_kind(cell, line.arc as usize) else {
            check.require(false, || {
                format!(
                    "line {}: its cell {cell} has no arc of level {} and channel {}",
                    line.line, line.level, line.channel
                )
            });
            continue;
        };
        let expected = probability(view.arcs.x[arc], view.cells.units[cell]);
        check.require(line.probability == expected, || {
            format!("line {}: probability {:?}, recounted {expected}", line.line, line.probability)
        });
    }
}

/// `x / (2^32 units)` in lowest terms.
pub(super) fn probability(x: u64, units: u32) -> String {
    // Both factors are at most 2^32, and one of them below.
    let den = u64::from(units) * BATCH;
    let divisor = gcd(x, den);
    format!("{}/{}", x / divisor, den / divisor)
}

/// The unit of a line.
pub(super) fn unit(line: &Line) -> (&str, &str) {
    (&line.enterprise_id, &line.product_id)
}

fn disjoint(view: &View<'_>, lots: &[Digest], check: &mut Check) {
    let lines = &view.document.lines;
    let mut order: Vec<usize> = (0..lines.len()).collect();
    // Equal units have equal lots, so that those stand together.
    order.sort_unstable_by(|a, b| {
        let by_unit = || unit(&lines[*a]).cmp(&unit(&lines[*b]));
        lots[*a].cmp(&lots[*b]).then_with(by_unit).then(a.cmp(b))
    });
    check.count += u64::from(!lines.is_empty());
    for pair in order.windows(2) {
        let (first, second) = (&lines[pair[0]], &lines[pair[1]]);
        check.require(unit(first) != unit(second), || {
            format!(
                "lines {} and {} are the same unit {}/{}",
                first.line, second.line, first.enterprise_id, first.product_id
            )
        });
    }
    let mut of_cell = vec![0u64; view.cells.units.len()];
    for line in lines {
        of_cell[line.cell as usize] += 1;
    }
    for (cell, (lines, units)) in of_cell.iter().zip(&view.cells.units).enumerate() {
        check.require(*lines <= u64::from(*units), || {
            format!("cell {cell}: {lines} lines are more than its {units} units")
        });
    }
}

fn window(view: &View<'_>, check: &mut Check) {
    let waves = view.waves() as u64;
    for line in &view.document.lines {
        let first = u64::from(view.cells.first_wave[line.cell as usize]) + 1;
        let last = if line.replacement_rank > 0 { first } else { waves };
        check.require((first..=last).contains(&line.wave.into()), || {
            format!(
                "line {}: wave {}; expected {first} to {last} for its cell {}",
                line.line, line.wave, line.cell
            )
        });
    }
}
