//! The tables that others refer to: divisions, products and enterprises, out of pending rows.

use std::mem;

use crate::model::{Area, DivisionCode, Symbol, TextColumn};

use super::import::{DivisionRow, EnterpriseRows, Origin, ProductRow};
use super::input::Table;
use super::intern::Sorted;
use super::merge::{Indexed, merge};
use super::push::digits_above;
use super::report::Problems;
use super::tables::{Division, Enterprises, Product};

/// The row of an id that has none.
pub(super) const NONE: u32 = u32::MAX;

/// What rows of several tables refer to.
pub(super) struct Refs {
    pub codes: Vec<DivisionCode>,
    /// Of each code: whether the new revision has a division of it.
    pub known: Vec<bool>,
    pub code_rank: Vec<u32>,
    pub province: Option<DivisionCode>,
    pub texts: Sorted,
}

impl Refs {
    /// The code of a place counted from 1, and whether it is a known division.
    pub(super) fn code(&self, place: u32) -> Option<(DivisionCode, bool)> {
        let at = (place as usize).checked_sub(1)?;
        Some((self.codes[at], self.known[at]))
    }
}

/// The divisions, with exactly one province and every one's parent.
pub(super) fn build_divisions(rows: Vec<DivisionRow>, problems: &mut Problems) -> Vec<Division> {
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
pub(super) fn build_products(
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
pub(super) fn build_enterprises(
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
