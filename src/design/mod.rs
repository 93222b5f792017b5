//! The design: which totals are wanted, how they are made exact, and the proof that every draw
//! keeps every quota. Values in, values out.

mod network;

pub use network::{BATCH, NO_GROUP, Network};
