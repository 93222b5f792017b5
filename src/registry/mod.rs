//! The registry: tables, their validation, and immutable revisions. Reads the streams that it is
//! handed and returns values; knows no file system and no clock.

mod tables;

pub use tables::{
    Division, Enterprises, HistoryRow, Item, Product, Registry, Standard, Supply, TierRow,
};
