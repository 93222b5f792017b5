//! Small and random networks for the tests, with exact circulations on them.

use crate::design::{BATCH, NO_GROUP, Network};

/// One cell of a two-family network: its node in each family, and its value.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) product: u32,
    pub(super) county: u32,
    pub(super) channel: u32,
    pub(super) value: u64,
}

/// The network of two families, product ⊃ cell and county ⊃ channel ⊃ cell, closed over one
/// top node. Edges of cells and channels have their county as group.
///
/// The numbering is part of the golden vector below: cells in order (product to cell, cell to
/// channel), then channels, counties, products.
pub(super) fn two_families(
    products: u32,
    counties: u32,
    channels: u32,
    cells: &[Cell],
) -> (Network, Vec<u64>) {
    let first_leaf = 1 + products + cells.len() as u32;
    let first_county = first_leaf + counties * channels;
    let mut network = Network { nodes: first_county + counties, ..Network::default() };
    let mut values = Vec::new();
    let mut product_totals = vec![0; products as usize];
    let mut leaf_totals = vec![0; (counties * channels) as usize];
    let mut county_totals = vec![0; counties as usize];
    for (number, cell) in cells.iter().enumerate() {
        let node = 1 + products + number as u32;
        let leaf = cell.county * channels + cell.channel;
        network.edge(1 + cell.product, node, cell.county);
        network.edge(node, first_leaf + leaf, cell.county);
        values.extend([cell.value; 2]);
        product_totals[cell.product as usize] += cell.value;
        leaf_totals[leaf as usize] += cell.value;
        county_totals[cell.county as usize] += cell.value;
    }
    for leaf in 0..counties * channels {
        let county = leaf / channels;
        network.edge(first_leaf + leaf, first_county + county, county);
    }
    for county in 0..counties {
        network.edge(first_county + county, 0, NO_GROUP);
    }
    for product in 0..products {
        network.edge(0, 1 + product, NO_GROUP);
    }
    values.extend(leaf_totals);
    values.extend(county_totals);
    values.extend(product_totals);
    (network, values)
}

/// The fixed network of the golden vector: 150 cells, 6 counties, 5 products, 4 channels.
pub(super) fn golden() -> (Network, Vec<u64>) {
    let cell = |i: u64| Cell {
        product: (i * 7 % 5) as u32,
        county: (i % 6) as u32,
        channel: (i / 6 % 4) as u32,
        value: (i * i * 0x9E37_79B1 + 0x7F4A_7C15) % (3 * BATCH),
    };
    two_families(5, 6, 4, &(0..150).map(cell).collect::<Vec<_>>())
}

/// A circulation on any graph: the sum of `pushes`, each along a closed walk through nodes.
/// A walk shares the edges of earlier ones, or makes its own parallel ones if its value is a
/// multiple of 3.
pub(super) fn closed_walks(nodes: u32, walks: &[(Vec<u32>, u64, u32)]) -> (Network, Vec<u64>) {
    let mut network = Network { nodes, ..Network::default() };
    let mut values: Vec<u64> = Vec::new();
    for (walk, value, group) in walks {
        for (i, tail) in walk.iter().enumerate() {
            let head = walk[(i + 1) % walk.len()];
            let found = (0..network.edges())
                .find(|e| network.tail[*e] == *tail && network.head[*e] == head);
            match found {
                Some(edge) if !value.is_multiple_of(3) => values[edge] += value,
                _ => {
                    network.edge(*tail, head, *group);
                    values.push(*value);
                }
            }
        }
    }
    (network, values)
}
