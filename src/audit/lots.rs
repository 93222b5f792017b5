//! Lots: recomputed one by one, and the order of units and waves that follows from them.

use crate::model::{Digest, HashName};
use crate::plan::Line;

use super::keys::SubKeys;
use super::lines::unit;
use super::report::Check;
use super::view::View;

/// The hash of the sub-key and `enterprise/product`, as `sha256sum` prints it.
pub(super) fn lot(
    hash: HashName,
    sub_key: &[u8; 32],
    (enterprise, product): (&str, &str),
) -> Digest {
    hash.of(&[sub_key, enterprise.as_bytes(), b"/", product.as_bytes()])
}

/// Recomputes the lot of every line.
pub(super) fn recompute(view: &View<'_>, keys: &SubKeys, check: &mut Check) -> Vec<Digest> {
    let lines = &view.document.lines;
    let lots: Vec<Digest> =
        lines.iter().map(|line| lot(keys.hash, &keys.lots, unit(line))).collect();
    for (line, lot) in lines.iter().zip(&lots) {
        check.require(line.lot == *lot, || {
            format!("line {}: lot {}, recomputed {lot}", line.line, line.lot)
        });
    }
    lots
}

/// The parts of a cell's order: drawn lines, then own replacement lines, then units that other
/// cells' arcs took.
fn part(view: &View<'_>, line: &Line) -> u8 {
    let own = view.arcs.cell[line.arc as usize] == line.cell;
    match (line.replacement_rank, own) {
        (0, _) => 0,
        (_, true) => 1,
        (_, false) => 2,
    }
}

/// Checks that the listed units of every cell are taken in the order of their lots: drawn lines
/// over its arcs in order, then replacement lines over its arcs and ranks; whatever other cells'
/// arcs took comes after all of them.
pub(super) fn check_order(view: &View<'_>, check: &mut Check) {
    let lines = &view.document.lines;
    let lot = |line: &Line| (line.lot, unit(line).0.to_owned(), unit(line).1.to_owned());
    let before = |a: &Line, b: &Line| a.lot < b.lot || (a.lot == b.lot && lot(a) < lot(b));
    let mut order: Vec<(u32, u8, u32, u32)> = lines
        .iter()
        .enumerate()
        .map(|(i, line)| {
            let part = part(view, line);
            (line.cell, part, if part == 2 { 0 } else { line.arc }, i as u32)
        })
        .collect();
    order.sort_unstable();
    for pair in order.windows(2).filter(|pair| pair[0].0 == pair[1].0 && pair[1].1 < 2) {
        let (first, second) = (&lines[pair[0].3 as usize], &lines[pair[1].3 as usize]);
        check.require(before(first, second), || {
            format!(
                "lines {} and {}: their lots are not in the order in which cell {} is taken",
                first.line, second.line, first.cell
            )
        });
    }
    let mut last_own: Option<&Line> = None;
    for (cell, part, _, i) in &order {
        let line = &lines[*i as usize];
        if *part < 2 {
            last_own = Some(line);
        } else if let Some(own) = last_own.filter(|own| own.cell == *cell) {
            check.require(before(own, line), || {
                format!(
                    "line {}: arc {} took the unit although line {} of cell {cell} comes later",
                    line.line, line.arc, own.line
                )
            });
        }
    }
}

/// Checks the authorities' waves, and that inside an authority those that may be sampled from
/// the same wave on come in the order of their wave lots.
pub(super) fn check_waves(view: &View<'_>, keys: &SubKeys, check: &mut Check) {
    let list = &view.document.allocation.authorities;
    let mut counts = vec![vec![0u64; view.waves()]; list.len()];
    let mut order = Vec::new();
    for line in view.document.drawn() {
        let authority = view.authority(line.arc as usize);
        let wave = (line.wave as usize).checked_sub(1);
        // A wave that there is not is found where the window is checked.
        if let Some(count) = wave.and_then(|wave| counts[authority as usize].get_mut(wave)) {
            *count += 1;
        }
        let first = view.cells.first_wave[line.cell as usize];
        order.push((authority, first, lot(keys.hash, &keys.wave_lots, unit(line)), line));
    }
    for (row, counts) in list.iter().zip(&counts) {
        let who = || format!("{} {}: waves", row.level, row.authority);
        check.equal(&row.waves, counts, who);
        let sum: u128 = row.waves.iter().map(|n| u128::from(*n)).sum();
        check.equal(sum, u128::from(row.batches), || format!("{} in all", who()));
    }
    order.sort_unstable_by(|a, b| {
        let by_unit = || unit(a.3).cmp(&unit(b.3));
        (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)).then_with(by_unit).then(a.3.line.cmp(&b.3.line))
    });
    for pair in order.windows(2).filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
        let (first, second) = (pair[0].3, pair[1].3);
        check.require(first.wave <= second.wave, || {
            format!(
                "lines {} and {}: waves {} and {} are not in the order of their wave lots",
                first.line, second.line, first.wave, second.wave
            )
        });
    }
}
