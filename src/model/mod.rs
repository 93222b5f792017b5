//! Terms, identifiers, rationals, dates, digests and canonical bytes.
//!
//! The vocabulary that all other rooms share. Values only: nothing here reads a clock, a file
//! or a socket, and nothing here depends on another room.

mod bytes;
mod date;
mod digest;
mod ids;
pub mod merkle;
mod ratio;
mod terms;
mod text;
mod work;

pub use bytes::{DecodeError, Reader, Writer};
pub use date::{Date, add_months, day_in_china, parse_date};
pub use digest::{Digest, FramedHasher, HashName};
pub use ids::{DivisionCode, IdError, IdScheme, check_id, check_uscc, uscc_check_character};
pub use ratio::{Ratio, RatioError, gcd};
pub use terms::{Area, Channel, ChannelSet, Level, Status, UnknownTerm};
pub use text::{Symbol, Symbols, TextColumn};
pub use work::{Cancelled, Work, both, join, spread, spread_parts};
