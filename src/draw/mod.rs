//! The draw: random streams, the rounding of the design to whole batches, and lots.
//!
//! Everything that a seed determines is determined here, in integers alone, so that the same
//! seed means the same plan on every platform, at every thread count, for ever. This room
//! touches values only: it knows no clock, no entropy source and no file. It is part of method
//! `m1`, whose bytes never change; a correction is a new method, and golden vectors beside each
//! function guard the old one.
//!
//! | file | what it specifies |
//! |---|---|
//! | `stream` | seed texts, the draw key, sub-keys, keystreams, bounded integers, shuffles |
//! | `source` | where a seed comes from, what it is committed to before |
//! | `round` | the order of phases of the dependent rounding, its groups and threads |
//! | `round::walk` | one phase: the path walk over fractional edges and the push along a cycle |
//! | `lots` | the lot of a unit, the order of lots, the choice among a unit's options |
//!
//! The module documentation of these files is the specification, complete enough to write the
//! draw again in another language; the code follows it word for word.

mod lots;
mod round;
mod source;
mod stream;

pub use lots::{LOT_LABEL, OPTION_LABEL, lot, order, pick_option, ranked};
pub use round::{RoundError, round, try_round};
pub use source::{
    BEACON_DIGITS, DICE_MAX, DICE_MIN, SeedSource, seed_commitment, share_commitment,
    system_commitment,
};
pub use stream::{DrawKey, SEED_TEXT_BYTES_MAX, Seed, SeedError, Stream, SubKey};
