//! Batches by city, level and channel; probabilities by tier.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::cli::table::{Grid, grouped};
use crate::model::{Channel, DivisionCode, Level};
use crate::plan::Document;

/// Batches drawn, by city of coverage; one column for each level and channel.
pub(super) fn by_city(document: &Document) -> String {
    let (arcs, cells) = (&document.allocation.arcs, &document.allocation.cells);
    let mut table: BTreeMap<DivisionCode, [u64; 9]> = BTreeMap::new();
    let mut totals = [0u64; 9];
    for (place, cell) in arcs.cell.iter().enumerate() {
        let level = arcs.level.get(place).copied().unwrap_or(0).min(2);
        let channel = arcs.channel.get(place).copied().unwrap_or(0).min(2);
        let column = usize::from(level) * 3 + usize::from(channel);
        let n = u64::from(arcs.n.get(place).copied().unwrap_or(0));
        let county = cells.county.get(*cell as usize);
        let county = county.and_then(|county| document.frame.counties.get(*county as usize));
        let Some(city) = county.and_then(|county| county.city()) else { continue };
        table.entry(city).or_default()[column] += n;
        totals[column] += n;
    }
    let mut grid = Grid::new(&[
        "city",
        "name",
        "province production>",
        "circulation>",
        "online>",
        "city production>",
        "circulation>",
        "online>",
        "county production>",
        "circulation>",
        "online>",
        "all>",
    ]);
    debug_assert_eq!((Level::ALL.len(), Channel::ALL.len()), (3, 3));
    let mut row = |code: String, name: String, numbers: &[u64; 9]| {
        let numbers = numbers.iter().copied().chain([numbers.iter().sum()]).map(grouped);
        grid.row([code, name].into_iter().chain(numbers));
    };
    for (code, numbers) in &table {
        let named = document.frame.divisions.iter().find(|division| division.code == *code);
        row(code.to_string(), named.map(|d| d.name.clone()).unwrap_or_default(), numbers);
    }
    row("all".into(), String::new(), &totals);
    grid.to_string()
}

/// Units of one cell: all have the same probability.
struct Alike {
    /// Expected batches of the cell, in units of 2^-32.
    x: u64,
    units: u64,
}

impl Alike {
    /// By probability; crosswise products of 64-bit numbers need 128 bits.
    fn cmp(&self, other: &Self) -> Ordering {
        let (own, others) = (
            u128::from(self.x) * u128::from(other.units),
            u128::from(other.x) * u128::from(self.units),
        );
        own.cmp(&others)
    }

    /// The probability in per cent, four decimals, rounded down.
    fn per_cent(&self) -> String {
        per_cent(u128::from(self.x), u128::from(self.units) << 32)
    }
}

/// `num / den` in per cent, four decimals, rounded down.
fn per_cent(num: u128, den: u128) -> String {
    let millionths = (num * 1_000_000).checked_div(den).unwrap_or(0);
    format!("{}.{:04} %", millionths / 10_000, millionths % 10_000)
}

/// The probability that a unit is drawn at any level: least, median and largest over the
/// eligible units of each tier.
pub(super) fn by_tier(document: &Document) -> String {
    let (arcs, cells) = (&document.allocation.arcs, &document.allocation.cells);
    let mut x = vec![0u64; cells.units.len()];
    let mut drawn = vec![0u64; cells.units.len()];
    for (place, cell) in arcs.cell.iter().enumerate() {
        let cell = *cell as usize;
        if let (Some(x), Some(drawn)) = (x.get_mut(cell), drawn.get_mut(cell)) {
            *x = x.saturating_add(arcs.x.get(place).copied().unwrap_or(0));
            *drawn += u64::from(arcs.n.get(place).copied().unwrap_or(0));
        }
    }
    let mut tiers: BTreeMap<u32, (Vec<Alike>, u64)> = BTreeMap::new();
    for (cell, units) in cells.units.iter().enumerate().filter(|(_, units)| **units > 0) {
        let tier = cells.tier.get(cell).copied().unwrap_or(0);
        let (list, n) = tiers.entry(tier).or_default();
        list.push(Alike { x: x[cell], units: u64::from(*units) });
        *n += drawn[cell];
    }
    let mut grid =
        Grid::new(&["tier", "eligible units>", "drawn>", "mean>", "least>", "median>", "largest>"]);
    for (tier, (mut list, n)) in tiers {
        list.sort_by(Alike::cmp);
        let units: u64 = list.iter().map(|alike| alike.units).sum();
        let expected: u128 = list.iter().map(|alike| u128::from(alike.x)).sum();
        let (Some(least), Some(largest)) = (list.first(), list.last()) else { continue };
        let mut before = 0;
        let median = list.iter().find(|alike| {
            before += alike.units;
            before > (units - 1) / 2
        });
        let name = document.frame.tiers.get(tier as usize).cloned().unwrap_or_default();
        grid.row([
            name,
            grouped(units),
            grouped(n),
            per_cent(expected, u128::from(units) << 32),
            least.per_cent(),
            median.unwrap_or(largest).per_cent(),
            largest.per_cent(),
        ]);
    }
    grid.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_exact_to_the_last_digit() {
        assert_eq!(per_cent(1, 3), "33.3333 %");
        assert_eq!(per_cent(1 << 32, 1 << 32), "100.0000 %");
        assert_eq!(per_cent(1, 0), "0.0000 %");
        let (small, large) = (Alike { x: 1 << 32, units: 3 }, Alike { x: 2 << 32, units: 5 });
        assert_eq!(small.cmp(&large), Ordering::Less);
        assert_eq!(large.per_cent(), "40.0000 %");
    }
}
