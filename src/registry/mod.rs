//! The registry: tables, their validation, and immutable revisions. Reads the streams that it is
//! handed and returns values; knows no file system and no clock.
//!
//! | file | what for |
//! |---|---|
//! | `tables` | one revision, as the rest of the crate reads it |
//! | `input` | rows as they come in: all text |
//! | `limits` | what an import may not exceed, with reasons |
//! | `check` | single fields: from text to checked values |
//! | `import`, `push` | an import under construction, one function a table |
//! | `intern` | numbers for texts |
//! | `base`, `merge` | the base's rows; rows with equal keys |
//! | `finish`, `entities`, `links` | references between tables; the new revision |
//! | `report` | what was wrong |
//! | `csv`, `csv_guard` | files into rows, in bounded memory |
//! | `encode`, `decode` | a revision's canonical bytes and digest |

mod base;
mod check;
mod csv;
mod csv_guard;
mod decode;
mod encode;
mod entities;
mod finish;
mod import;
mod input;
mod intern;
pub mod limits;
mod links;
mod merge;
mod push;
mod report;
mod tables;

pub use csv::{CsvError, ReadError, RowsRead, read_csv, read_rows};
pub(crate) use decode::read_product;
pub(crate) use encode::write_product;
pub use import::Import;
pub use input::{
    AnyInput, DivisionInput, EnterpriseInput, HistoryInput, Mode, ProductInput, SupplyInput, Table,
    TierInput,
};
pub use report::{BadRow, Counts, Report};
pub use tables::{
    Division, Enterprises, HistoryRow, Item, Product, Registry, Standard, Supply, TierRow,
};

#[cfg(test)]
mod tests;
