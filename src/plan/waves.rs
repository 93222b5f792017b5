//! Waves: which drawn unit is sampled when.
//!
//! Every authority gets its share of every wave and every level as well, each rounded down or up
//! together (the same dependent rounding as the draw), and no unit comes before its no-repeat
//! window ends. docs/METHOD.md, "Waves".

use crate::design::{BATCH, NO_GROUP, Network};
use crate::model::Ratio;

/// The drawn lines of one authority by the earliest wave that they may be sampled in.
pub(super) struct Supply {
    /// Level, as a place.
    pub level: usize,
    /// Lines by earliest wave.
    pub lines: Vec<u64>,
}

/// Expected lines of each authority by (earliest wave, wave), in units of 2^-32.
///
/// Waves are filled in their order. Each takes its share of the authority's lines from those
/// that may come by then, in proportion to what is left of each earliest wave; what early waves
/// cannot be given comes in the next, and the last takes all that is left.
pub(super) fn expected(shares: &[Ratio], supply: &Supply) -> Vec<Vec<u64>> {
    let waves = shares.len();
    let total: u64 = supply.lines.iter().sum();
    let mut left: Vec<u64> = supply.lines.iter().map(|lines| lines * BATCH).collect();
    let mut x = vec![vec![0u64; waves]; waves];
    let mut given = 0u64;
    for wave in 0..waves {
        // Cumulative, so that what could not be given is made up for.
        let until: u64 = shares[..=wave].iter().map(|share| share.floor_of(total * BATCH)).sum();
        let available: u64 = left[..=wave].iter().sum();
        let want = if wave + 1 == waves { available } else { until.saturating_sub(given) };
        let take = want.min(available);
        let mut rest = take;
        for first in 0..=wave {
            let part = if available == 0 {
                0
            } else {
                (u128::from(take) * u128::from(left[first]) / u128::from(available)) as u64
            };
            x[first][wave] = part;
            rest -= part;
        }
        for first in 0..=wave {
            let more = rest.min(left[first] - x[first][wave]);
            x[first][wave] += more;
            rest -= more;
            left[first] -= x[first][wave];
        }
        given += take;
    }
    x
}

/// The network of authority ⊃ earliest wave against wave ⊃ level ⊃ authority, with its values;
/// arcs come first, ascending by authority, earliest wave and wave.
pub(super) fn network(supplies: &[Supply], x: &[Vec<Vec<u64>>]) -> (Network, Vec<u64>) {
    let waves = x.first().map_or(0, Vec::len);
    let authorities = supplies.len();
    let levels = 3;
    // Nodes: first root, authorities, authority × earliest wave; second root, waves,
    // wave × level, wave × authority.
    let authority = |a: usize| (1 + a) as u32;
    let class = |a: usize, first: usize| (1 + authorities + a * waves + first) as u32;
    let base = 1 + authorities + authorities * waves;
    let wave_node = |w: usize| (base + 1 + w) as u32;
    let level_node = |w: usize, l: usize| (base + 1 + waves + w * levels + l) as u32;
    let own_node =
        |w: usize, a: usize| (base + 1 + waves + waves * levels + w * authorities + a) as u32;
    let nodes = base + 1 + waves + waves * levels + waves * authorities;
    let mut network = Network { nodes: nodes as u32, ..Network::default() };
    let mut values = Vec::new();
    let mut add = |tail: u32, head: u32, value: u64| {
        network.edge(tail, head, NO_GROUP);
        values.push(value);
    };
    for (a, x) in x.iter().enumerate() {
        for (first, row) in x.iter().enumerate() {
            for (wave, value) in row.iter().enumerate().skip(first) {
                add(class(a, first), own_node(wave, a), *value);
            }
        }
    }
    let mut whole = 0;
    for (a, supply) in supplies.iter().enumerate() {
        let total: u64 = supply.lines.iter().sum();
        add(0, authority(a), total * BATCH);
        whole += total * BATCH;
        for (first, lines) in supply.lines.iter().enumerate() {
            add(authority(a), class(a, first), lines * BATCH);
        }
    }
    for wave in 0..waves {
        let mut of_level = vec![0u64; levels];
        for (a, supply) in supplies.iter().enumerate() {
            let own: u64 = x[a].iter().map(|row| row[wave]).sum();
            of_level[supply.level] += own;
            add(own_node(wave, a), level_node(wave, supply.level), own);
        }
        for (level, value) in of_level.iter().enumerate() {
            add(level_node(wave, level), wave_node(wave), *value);
        }
        add(wave_node(wave), base as u32, of_level.iter().sum());
    }
    add(base as u32, 0, whole);
    (network, values)
}

/// Number of lines of each authority by (earliest wave, wave), from the rounded network.
pub(super) fn rounded(supplies: &[Supply], waves: usize, values: &[u64]) -> Vec<Vec<Vec<u64>>> {
    let mut next = values.iter();
    let mut read = || next.next().map_or(0, |value| value / BATCH);
    supplies
        .iter()
        .map(|_| {
            let mut n = vec![vec![0; waves]; waves];
            for (first, row) in n.iter_mut().enumerate() {
                for slot in row.iter_mut().skip(first) {
                    *slot = read();
                }
            }
            n
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(texts: &[&str]) -> Vec<Ratio> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn late_units_wait_and_are_made_up_for() {
        let supply = Supply { level: 0, lines: vec![3, 7] };
        let x = expected(&shares(&["60%", "40%"]), &supply);
        // Six are wanted at first but only three may come.
        assert_eq!(x, [[3 * BATCH, 0], [0, 7 * BATCH]]);
        let supply = Supply { level: 0, lines: vec![9, 1] };
        let x = expected(&shares(&["60%", "40%"]), &supply);
        assert!(x[0][0].abs_diff(6 * BATCH) <= 1 && x[1][0] == 0 && x[1][1] == BATCH);
    }

    #[test]
    fn the_network_is_a_circulation() {
        let supplies = [
            Supply { level: 0, lines: vec![5, 0, 2] },
            Supply { level: 1, lines: vec![1, 1, 1] },
            Supply { level: 1, lines: vec![0, 0, 4] },
        ];
        let shares = shares(&["33.3%", "33.3%", "33.4%"]);
        let x: Vec<_> = supplies.iter().map(|supply| expected(&shares, supply)).collect();
        let (network, values) = network(&supplies, &x);
        assert!(network.excess(&values).iter().all(|excess| *excess == 0));
        for (supply, x) in supplies.iter().zip(&x) {
            for (first, lines) in supply.lines.iter().enumerate() {
                assert_eq!(x[first].iter().sum::<u64>(), lines * BATCH);
            }
        }
    }
}
