//! The two families of totals: their nodes, and that each is rounded down or up.

use super::dims::Dimensions;
use super::groups::Numbering;
use super::report::Check;
use super::view::{BATCH, View};

/// The nodes of both families at every depth.
pub(super) struct Nodes([Vec<Depth>; 2]);

/// The nodes of one depth of a family.
pub(super) struct Depth {
    /// The node of each cell (first family) or arc (second family).
    of: Vec<u32>,
    /// Whether `of` is by cell.
    by_cell: bool,
    /// Expected batches of each node, in units of 2^-32.
    pub x: Vec<u64>,
    /// Number of arcs of each node.
    pub arcs: Vec<u32>,
}

impl Nodes {
    /// The nodes of both families, on two threads.
    pub fn new(view: &View<'_>, dims: &Dimensions) -> Self {
        std::thread::scope(|scope| {
            let second = scope.spawn(|| depths(view, dims, 1));
            let first = depths(view, dims, 0);
            let second = crate::model::join(second);
            Nodes([first, second])
        })
    }

    /// The nodes of a depth of a family, if it has that depth.
    pub fn at(&self, family: u8, depth: u8) -> Option<&Depth> {
        self.0.get(usize::from(family))?.get(usize::from(depth))
    }

    /// Checks that `n` of every node is its `x` rounded down or up.
    pub fn check(&self, view: &View<'_>, check: &mut Check) {
        for (family, depths) in self.0.iter().enumerate() {
            for (depth, nodes) in depths.iter().enumerate() {
                let mut n = vec![0u64; nodes.x.len()];
                for (arc, own) in view.arcs.n.iter().enumerate() {
                    n[nodes.node(view, arc) as usize] += u64::from(*own);
                }
                for (node, (n, x)) in n.iter().zip(&nodes.x).enumerate() {
                    check.require(is_rounded(*n, *x), || {
                        format!(
                            "node {node} of depth {depth} of families[{family}]: {n} batches where \
                             {x} / 2^32 are expected"
                        )
                    });
                }
            }
        }
    }
}

/// Whether `n` is `x` units of 2^-32 rounded down or up.
pub(super) fn is_rounded(n: u64, x: u64) -> bool {
    n == x / BATCH || n == x.div_ceil(BATCH)
}

impl Depth {
    /// The node of an arc.
    pub fn node(&self, view: &View<'_>, arc: usize) -> u32 {
        if self.by_cell { self.of[view.arcs.cell[arc] as usize] } else { self.of[arc] }
    }

    fn new(view: &View<'_>, numbering: &Numbering, by_cell: bool) -> Self {
        let mut depth = Depth {
            of: numbering.of.clone(),
            by_cell,
            x: vec![0; numbering.count],
            arcs: vec![0; numbering.count],
        };
        for (arc, x) in view.arcs.x.iter().enumerate() {
            let node = depth.node(view, arc) as usize;
            // All of x together fit 64 bits: see the structure.
            depth.x[node] += x;
            depth.arcs[node] += 1;
        }
        depth
    }
}

/// All depths of a family: none, one, … all of its dimensions, and every cell or arc by itself.
fn depths(view: &View<'_>, dims: &Dimensions, family: usize) -> Vec<Depth> {
    let by_cell = family == 0;
    let items = if by_cell { view.cells.units.len() } else { view.arcs.cell.len() };
    let mut numbering = Numbering::whole(items);
    let mut depths = vec![Depth::new(view, &numbering, by_cell)];
    for dimension in dims.of(&view.families[family]) {
        let values = dimension.texts.len();
        numbering = match dimension.of_cells() {
            Some(column) if by_cell => numbering.split(values, |cell| column[cell]),
            _ => numbering.split(values, |arc| dimension.value(view, arc)),
        };
        depths.push(Depth::new(view, &numbering, by_cell));
    }
    let single = Numbering { of: (0..items as u32).collect(), count: items };
    depths.push(Depth::new(view, &single, by_cell));
    depths
}
