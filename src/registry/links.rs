//! The tables that refer to others: supply, tiers and history, out of pending rows.

use crate::model::{DivisionCode, Symbol};

use super::entities::{NONE, Refs};
use super::import::{HistoryPending, Origin, SupplyRow, TierPending};
use super::input::Table;
use super::intern::Sorted;
use super::merge::{Pending, merge};
use super::report::Problems;
use super::tables::{HistoryRow, Supply, TierRow};

/// Tables that link enterprises and products.
pub(super) struct Links<'a> {
    pub refs: &'a Refs,
    pub enterprise_ids: Sorted,
    pub enterprise_rows: Vec<u32>,
    pub product_ids: Sorted,
    pub product_rows: Vec<u32>,
    pub problems: &'a mut Problems,
}

impl Links<'_> {
    /// Sorts out rows with equal keys.
    fn merge<T: Pending>(
        &mut self,
        table: Table,
        rows: &mut Vec<T>,
        ranks: impl Fn(&T) -> (u32, Option<u32>),
    ) {
        let name = |row: &T| {
            let (enterprise, product) = ranks(row);
            let enterprise = self.enterprise_ids.get(enterprise);
            let product = product.map_or("", |product| self.product_ids.get(product));
            let slash = if product.is_empty() { "" } else { "/" };
            ("", format!("{enterprise}{slash}{product}"))
        };
        merge(table, rows, self.problems, name);
    }

    /// The row of an enterprise; [`NONE`], reported, if there is none.
    fn enterprise(&mut self, table: Table, row: u32, origin: Origin, rank: u32) -> u32 {
        let found = self.enterprise_rows[rank as usize];
        if found == NONE {
            let id = self.enterprise_ids.get(rank);
            missing(self.problems, table, row, origin, "enterprise_id", id);
        }
        found
    }

    /// The row of a product; [`NONE`], reported, if there is none.
    fn product(&mut self, table: Table, row: u32, origin: Origin, rank: u32) -> u32 {
        let found = self.product_rows[rank as usize];
        if found == NONE {
            let id = self.product_ids.get(rank);
            missing(self.problems, table, row, origin, "product_id", id);
        }
        found
    }

    pub(super) fn supply(&mut self, mut rows: Vec<SupplyRow>) -> Vec<Supply> {
        for row in &mut rows {
            row.enterprise = self.enterprise_ids.rank(row.enterprise);
            row.product = self.product_ids.rank(row.product);
            row.platform = self.refs.texts.rank(row.platform);
            row.sale_division = self.refs.code_rank[row.sale_division as usize];
        }
        self.merge(Table::Supply, &mut rows, |row| (row.enterprise, Some(row.product)));
        let mut supply = Vec::with_capacity(rows.len());
        for row in rows {
            let enterprise = self.enterprise(Table::Supply, row.row, row.origin, row.enterprise);
            let product = self.product(Table::Supply, row.row, row.origin, row.product);
            supply.push(Supply {
                enterprise,
                product,
                channel: row.channel,
                platform: Symbol(row.platform),
                sale_division: self.sale_division(&row),
            });
        }
        supply
    }

    fn sale_division(&mut self, row: &SupplyRow) -> Option<DivisionCode> {
        let (code, known) = self.refs.code(row.sale_division)?;
        if !known && Some(code.province()) == self.refs.province {
            let why = match row.origin {
                Origin::Base => "is removed, but supply of the base revision is sold there",
                _ => "there is no division with this code",
            };
            let number = u64::from(row.row);
            let text = code.to_string();
            self.problems.add(Table::Supply, number, "sale_division", &text, format_args!("{why}"));
        }
        Some(code)
    }

    pub(super) fn tiers(&mut self, mut rows: Vec<TierPending>) -> Vec<TierRow> {
        for row in &mut rows {
            row.enterprise = self.enterprise_ids.rank(row.enterprise);
            row.product = row.product.map(|product| self.product_ids.rank(product));
            row.tier = self.refs.texts.rank(row.tier);
        }
        self.merge(Table::Tiers, &mut rows, |row| (row.enterprise, row.product));
        let mut tiers = Vec::with_capacity(rows.len());
        for row in rows {
            let (number, origin) = (row.row, row.origin);
            tiers.push(TierRow {
                enterprise: self.enterprise(Table::Tiers, number, origin, row.enterprise),
                product: row
                    .product
                    .map(|product| self.product(Table::Tiers, number, origin, product)),
                valid_from: row.valid_from,
                tier: Symbol(row.tier),
            });
        }
        tiers
    }

    pub(super) fn history(&mut self, mut rows: Vec<HistoryPending>) -> Vec<HistoryRow> {
        for row in &mut rows {
            row.enterprise = self.enterprise_ids.rank(row.enterprise);
            row.product = self.product_ids.rank(row.product);
            row.outcome = self.refs.texts.rank(row.outcome);
            row.authority = self.refs.code_rank[row.authority as usize];
        }
        self.merge(Table::History, &mut rows, |row| (row.enterprise, Some(row.product)));
        let mut history = Vec::with_capacity(rows.len());
        for row in rows {
            let (number, origin) = (row.row, row.origin);
            history.push(HistoryRow {
                enterprise: self.enterprise(Table::History, number, origin, row.enterprise),
                product: self.product(Table::History, number, origin, row.product),
                sampled_on: row.sampled_on,
                level: row.level,
                authority: self.refs.code(row.authority).map(|(code, _)| code),
                outcome: Symbol(row.outcome),
            });
        }
        history
    }
}

fn missing(problems: &mut Problems, table: Table, row: u32, origin: Origin, field: &str, id: &str) {
    let why = match origin {
        Origin::Base => "is removed, but this table of the base revision still refers to it",
        _ => "is not in the new revision",
    };
    problems.add(table, u64::from(row), field, id, format_args!("{why}"));
}
