//! The design: which totals are wanted, how they are made exact, and the proof that every draw
//! keeps every quota. Values in, values out.

mod arcs;
mod calibrate;
mod certify;
mod check;
mod explain;
mod families;
mod flow;
mod layout;
mod network;
mod refusal;
mod rows;
mod solve;

pub use arcs::{Arcs, Authorities, Authority, Context, Dimension, Dimensions, NONE};
pub(crate) use calibrate::Seen;
pub use certify::{GroupSpan, Placement, Span, holds, shortfall};
pub use families::{Chains, Family, Knowledge};
pub use layout::Layout;
pub use network::{BATCH, NO_GROUP, Network};
pub use refusal::{Clash, Refusal, Verdict};
pub use rows::{BoundKind, Group, Limit, Partition, Required, Side, partitions};
pub(crate) use solve::least;
pub use solve::{Attempt, Design, DesignError, Draft, level_of};
