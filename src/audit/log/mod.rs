//! The log of everything that was done with plans: entries that follow one another by rule, in a
//! Merkle tree whose head is signed. Values in, values out; the specification is docs/PROTOCOL.md.
//!
//! | file | what for |
//! |---|---|
//! | `entry` | what an entry says, and its bytes |
//! | `ledger` | which entry may follow which: the states of plans |
//! | `note` | keys, and signed checkpoints |
//! | `proof` | proofs of inclusion and consistency, with all that checking them takes |

mod entry;
mod ledger;
mod note;
mod proof;

pub use entry::{Entry, EntryError, Event, LOG_FORMAT, SeedTerms, TEXT_CHARS_MAX};
pub use ledger::{Freeze, Ledger, LedgerError, State};
pub use note::{
    Checkpoint, LogKey, NoteError, check_key, open_checkpoint, verify_bundle_note, verify_plan_note,
};
pub use proof::{ConsistencyProof, InclusionProof, ProofError};

#[cfg(test)]
mod tests;
