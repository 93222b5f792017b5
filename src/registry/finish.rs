//! The end of an import: references, duplicates, upserts and the base's rows; then the revision.

use std::mem;

use crate::model::{Area, DivisionCode, IdScheme, Symbol, Symbols, TextColumn};

use super::import::{
    DivisionRow, EnterpriseRows, HistoryPending, Import, Origin, ProductRow, SupplyRow, TierPending,
};
use super::input::{Mode, Table};
use super::intern::Sorted;
use super::merge::{Indexed, Pending, merge};
use super::push::digits_above;
use super::report::{Counts, Problems, Report};
use super::tables::{Division, Enterprises, HistoryRow, Product, Registry, Supply, TierRow};

/// The rank that stands for no row.
const NONE: u32 = u32::MAX;

impl Import {
    /// Checks the tables against one another and makes the new revision.
    ///
    /// `base` is the revision that the import builds on, if any: tables that are not part of the
    /// import are carried over from it, and an upsert changes its rows.
    ///
    /// # Errors
    /// With everything that is wrong, from single fields to references between tables.
    pub fn finish(mut self, base: Option<&Registry>) -> Result<(Registry, Counts), Report> {
        self.check_tables(base);
        if let Some(base) = base {
            self.load(base);
        }
        if let Some((table, why)) = self.excess.take() {
            // Rows have been left out: comparing the others would find what is not there.
            self.problems.add(table, 0, "", "", format_args!("{why}"));
            return Err(self.problems.report());
        }
        self.build()
    }

    /// Checks that a complete revision can result, before any row is looked at.
    fn check_tables(&mut self, base: Option<&Registry>) {
        for table in Table::ALL {
            let declared = self.declared[table.index()];
            let in_base = base.is_some_and(|base| base.counts().get(table) > 0);
            if !table.is_required() || self.pushed[table.index()] > 0 {
                continue;
            }
            if declared && (self.mode == Mode::Replace || !in_base) {
                self.problems.add(table, 0, "", "", format_args!("has no rows"));
            } else if !declared && !in_base {
                let why = format_args!("is missing: a complete revision needs it");
                self.problems.add(table, 0, "", "", why);
            }
        }
        if let Some(base) = base {
            let enterprises = self.declared[Table::Enterprises.index()];
            if !enterprises {
                self.scheme = base.id_scheme;
            } else if self.mode == Mode::Upsert && self.scheme != base.id_scheme {
                let word = |scheme| match scheme {
                    IdScheme::Uscc => "uscc",
                    IdScheme::Opaque => "opaque",
                };
                let (own, other) = (word(self.scheme), word(base.id_scheme));
                let why = format_args!(
                    "the base revision's ids follow scheme `{other}`: use it, or replace the table"
                );
                self.problems.add(Table::Enterprises, 0, "id_scheme", own, why);
            }
        }
    }

    fn build(mut self) -> Result<(Registry, Counts), Report> {
        let problems = &mut self.problems;
        let divisions = build_divisions(mem::take(&mut self.divisions), problems);
        let product_ids = self.product_ids.sort();
        let enterprise_ids = self.enterprise_ids.sort();
        let texts = self.texts.sort();
        let (codes, code_rank) = self.codes.sort();
        let refs = Refs {
            known: codes
                .iter()
                .map(|code| divisions.binary_search_by_key(code, |d| d.code).is_ok())
                .collect(),
            province: divisions.first().map(|division| division.code),
            codes,
            code_rank,
            texts,
        };
        let (products, product_rows) =
            build_products(mem::take(&mut self.products), &product_ids, problems);
        let (enterprises, enterprise_rows) = build_enterprises(
            mem::take(&mut self.enterprises),
            &enterprise_ids,
            &refs,
            &divisions,
            problems,
        );
        let mut links = Links {
            refs: &refs,
            enterprise_ids,
            enterprise_rows,
            product_ids,
            product_rows,
            problems,
        };
        let supply = links.supply(self.supply);
        let tiers = links.tiers(self.tiers);
        let history = links.history(self.history);
        drop(links);
        let resulting = [divisions.len(), products.len(), enterprises.len(), supply.len()];
        for (table, rows) in Table::ALL.into_iter().zip(resulting) {
            // Reported above if nothing came in; here, if an upsert deleted every row.
            if rows == 0 && self.problems.is_empty() {
                let why = format_args!("would be left without rows");
                self.problems.add(table, 0, "", "", why);
            }
        }
        if !self.problems.is_empty() {
            return Err(self.problems.report());
        }
        let mut registry = Registry {
            id_scheme: self.scheme,
            divisions,
            products,
            enterprises,
            supply,
            tiers,
            history,
            symbols: Symbols::default(),
        };
        settle_symbols(&mut registry, &refs.texts);
        let counts = registry.counts();
        Ok((registry, counts))
    }
}

/// What rows of several tables refer to.
struct Refs {
    codes: Vec<DivisionCode>,
    /// Of each code: whether the new revision has a division of it.
    known: Vec<bool>,
    code_rank: Vec<u32>,
    province: Option<DivisionCode>,
    texts: Sorted,
}

impl Refs {
    /// The code of a place counted from 1, and whether it is a known division.
    fn code(&self, place: u32) -> Option<(DivisionCode, bool)> {
        let at = (place as usize).checked_sub(1)?;
        Some((self.codes[at], self.known[at]))
    }
}

fn build_divisions(rows: Vec<DivisionRow>, problems: &mut Problems) -> Vec<Division> {
    let mut order: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| Indexed {
            key: row.code,
            index: index as u32,
            row: row.row,
            origin: row.origin,
        })
        .collect();
    merge(Table::Divisions, &mut order, problems, |row| ("code", row.key.to_string()));
    let mut provinces = order.iter().filter(|row| row.key.digits() == 2);
    if let Some(first) = provinces.next() {
        for more in provinces {
            let why = format_args!("is a second province beside `{}`", first.key);
            problems.add(Table::Divisions, more.row.into(), "code", &more.key.to_string(), why);
        }
    } else if !order.is_empty() {
        problems.add(
            Table::Divisions,
            0,
            "code",
            "",
            format_args!("no province (2 digits) among them"),
        );
    }
    let mut divisions = Vec::with_capacity(order.len());
    for kept in &order {
        let parent = digits_above(kept.key.digits()).and_then(|digits| kept.key.cut(digits));
        if let Some(parent) = parent
            && order.binary_search_by_key(&parent, |row| row.key).is_err()
        {
            let (row, parent) = (u64::from(kept.row), parent.to_string());
            let why = match kept.origin {
                Origin::Base => format!(
                    "is removed, but division `{}` of the base revision belongs to it",
                    kept.key
                ),
                _ => "there is no division with this code".to_owned(),
            };
            problems.add(Table::Divisions, row, "parent_code", &parent, format_args!("{why}"));
        }
        let row = &rows[kept.index as usize];
        divisions.push(Division {
            code: kept.key,
            name: row.name.clone(),
            parent,
            kind: row.kind.clone(),
        });
    }
    divisions
}

/// The products, and of each rank of an id its row.
fn build_products(
    mut rows: Vec<ProductRow>,
    ids: &Sorted,
    problems: &mut Problems,
) -> (Vec<Product>, Vec<u32>) {
    let mut order: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| Indexed {
            key: ids.rank(row.product),
            index: index as u32,
            row: row.row,
            origin: row.origin,
        })
        .collect();
    let name = |row: &Indexed<u32>| ("product_id", ids.get(row.key).to_owned());
    merge(Table::Products, &mut order, problems, name);
    let mut row_of = vec![NONE; ids.len()];
    let mut products = Vec::with_capacity(order.len());
    for (place, kept) in order.iter().enumerate() {
        row_of[kept.key as usize] = place as u32;
        let fields = &mut rows[kept.index as usize].fields;
        products.push(Product {
            standards: mem::take(&mut fields.standards),
            items: mem::take(&mut fields.items),
            attributes: mem::take(&mut fields.attributes),
            ..fields.clone()
        });
    }
    (products, row_of)
}

/// The enterprises, with ranks for symbols, and of each rank of an id its row.
fn build_enterprises(
    rows: EnterpriseRows,
    ids: &Sorted,
    refs: &Refs,
    divisions: &[Division],
    problems: &mut Problems,
) -> (Enterprises, Vec<u32>) {
    let mut order: Vec<_> = rows
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| Indexed {
            key: ids.rank(row.enterprise),
            index: index as u32,
            row: row.row,
            origin: row.origin,
        })
        .collect();
    let name = |row: &Indexed<u32>| ("enterprise_id", ids.get(row.key).to_owned());
    merge(Table::Enterprises, &mut order, problems, name);
    let derived: Vec<Area> = refs.codes.iter().map(|code| derive_area(*code, divisions)).collect();
    let text = |number| Symbol(refs.texts.rank(number));
    let (id_bytes, name_bytes) = order.iter().fold((0, 0), |(id_bytes, name_bytes), kept| {
        let name = rows.names.get(kept.index as usize);
        (id_bytes + ids.get(kept.key).len(), name_bytes + name.len())
    });
    let count = order.len();
    let mut row_of = vec![NONE; ids.len()];
    let mut table = Enterprises {
        ids: TextColumn::with_capacity(count, id_bytes),
        names: TextColumn::with_capacity(count, name_bytes),
        status: Vec::with_capacity(count),
        division: Vec::with_capacity(count),
        area: Vec::with_capacity(count),
        credit_class: Vec::with_capacity(count),
        cluster: Vec::with_capacity(count),
        accidents: Vec::with_capacity(count),
        attributes: Vec::new(),
    };
    for (place, kept) in order.iter().enumerate() {
        row_of[kept.key as usize] = place as u32;
        let row = &rows.rows[kept.index as usize];
        let rank = refs.code_rank[row.division as usize];
        // A row without a code has been reported already.
        let Some((code, known)) = refs.code(rank) else { continue };
        if !known {
            let why = match row.origin {
                Origin::Base => format!(
                    "is removed, but enterprise `{}` of the base revision is registered there",
                    ids.get(kept.key)
                ),
                _ => "there is no division with this code".to_owned(),
            };
            let number = u64::from(row.row);
            let code = code.to_string();
            problems.add(Table::Enterprises, number, "division", &code, format_args!("{why}"));
        }
        table.ids.push(ids.get(kept.key));
        table.names.push(rows.names.get(kept.index as usize));
        table.status.push(row.status);
        table.division.push(code);
        table.area.push(row.area.unwrap_or(derived[rank as usize - 1]));
        table.credit_class.push(text(row.credit_class));
        table.cluster.push(text(row.cluster));
        table.accidents.push(row.accidents);
    }
    for (name, column) in &rows.attributes {
        let value = |kept: &Indexed<u32>| column.get(kept.index as usize).copied().unwrap_or(0);
        let values: Vec<Symbol> = order.iter().map(|kept| text(value(kept))).collect();
        if values.iter().any(|value| *value != Symbol::EMPTY) {
            table.attributes.push((name.clone(), values));
        }
    }
    (table, row_of)
}

fn derive_area(code: DivisionCode, divisions: &[Division]) -> Area {
    let found = divisions.binary_search_by_key(&code, |division| division.code);
    match found {
        Ok(at) if code.digits() == 9 && divisions[at].kind != "subdistrict" => Area::Rural,
        _ => Area::Urban,
    }
}

/// Tables that link enterprises and products.
struct Links<'a> {
    refs: &'a Refs,
    enterprise_ids: Sorted,
    enterprise_rows: Vec<u32>,
    product_ids: Sorted,
    product_rows: Vec<u32>,
    problems: &'a mut Problems,
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

    fn supply(&mut self, mut rows: Vec<SupplyRow>) -> Vec<Supply> {
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

    fn tiers(&mut self, mut rows: Vec<TierPending>) -> Vec<TierRow> {
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

    fn history(&mut self, mut rows: Vec<HistoryPending>) -> Vec<HistoryRow> {
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

/// Numbers the symbols anew, so that the table holds the texts in use and no others.
///
/// Ranks keep their order, so no table has to be sorted again.
fn settle_symbols(registry: &mut Registry, texts: &Sorted) {
    let mut used = vec![false; texts.len()];
    each_symbol(registry, |symbol| used[symbol.0 as usize] = true);
    used[0] = true;
    let in_use = (0..texts.len() as u32).filter(|rank| used[*rank as usize]);
    registry.symbols = Symbols::new(in_use.map(|rank| texts.get(rank)));
    let mut number = 0;
    let numbers: Vec<u32> = used
        .iter()
        .map(|used| {
            number += u32::from(*used);
            number.saturating_sub(1)
        })
        .collect();
    each_symbol(registry, |symbol| symbol.0 = numbers[symbol.0 as usize]);
}

fn each_symbol(registry: &mut Registry, mut visit: impl FnMut(&mut Symbol)) {
    let table = &mut registry.enterprises;
    let attributes = table.attributes.iter_mut().flat_map(|(_, column)| column.iter_mut());
    table.credit_class.iter_mut().chain(&mut table.cluster).chain(attributes).for_each(&mut visit);
    registry.supply.iter_mut().for_each(|row| visit(&mut row.platform));
    registry.tiers.iter_mut().for_each(|row| visit(&mut row.tier));
    registry.history.iter_mut().for_each(|row| visit(&mut row.outcome));
}
