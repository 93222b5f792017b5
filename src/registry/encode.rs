//! A revision's bytes: what its digest is taken of and what a store keeps.
//!
//! Symbols first, then the tables in their order, each by columns. Division codes are numbers
//! (no code begins with a zero), 0 for none; dates are numbers, 0 for none; parents of divisions
//! follow from the codes.

use crate::model::{Date, Digest, DivisionCode, IdScheme, Symbol, Symbols, TextColumn, Writer};

use super::tables::{Enterprises, Product, Registry};

pub(super) const MAGIC: &str = "spotcheck/registry/1";

impl Registry {
    /// SHA-256 of [`Registry::encode`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The revision's canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC);
        w.byte(match self.id_scheme {
            IdScheme::Uscc => 0,
            IdScheme::Opaque => 1,
        });
        write_symbols(&mut w, &self.symbols);
        w.uint(self.divisions.len() as u64);
        for division in &self.divisions {
            w.uint(u64::from(division.code.value()));
            w.text(&division.name);
            w.text(&division.kind);
        }
        w.uint(self.products.len() as u64);
        for product in &self.products {
            write_product(&mut w, product);
        }
        write_enterprises(&mut w, &self.enterprises);
        let rows = &self.supply;
        column(&mut w, rows, |row| row.enterprise);
        column(&mut w, rows, |row| row.product);
        bytes(&mut w, rows, |row| row.channel as u8);
        column(&mut w, rows, |row| row.platform.0);
        column(&mut w, rows, |row| code_number(row.sale_division));
        let rows = &self.tiers;
        column(&mut w, rows, |row| row.enterprise);
        // Row numbers end below the largest, so there is room for one that means none.
        column(&mut w, rows, |row| row.product.map_or(0, |product| product + 1));
        column(&mut w, rows, |row| row.valid_from.map_or(0, date_number));
        column(&mut w, rows, |row| row.tier.0);
        let rows = &self.history;
        column(&mut w, rows, |row| row.enterprise);
        column(&mut w, rows, |row| row.product);
        column(&mut w, rows, |row| date_number(row.sampled_on));
        bytes(&mut w, rows, |row| row.level as u8);
        column(&mut w, rows, |row| code_number(row.authority));
        column(&mut w, rows, |row| row.outcome.0);
        w.finish()
    }
}

/// A date as a number that is never 0 and sorts as the date does.
pub(super) fn date_number(date: Date) -> u32 {
    // Years reach from -9999 to 9999.
    let year = (i32::from(date.year()) + 10_000).unsigned_abs();
    year * 10_000
        + u32::from(date.month().unsigned_abs()) * 100
        + u32::from(date.day().unsigned_abs())
}

fn code_number(code: Option<DivisionCode>) -> u32 {
    code.map_or(0, DivisionCode::value)
}

fn column<T>(w: &mut Writer, rows: &[T], value: impl Fn(&T) -> u32) {
    let values: Vec<u32> = rows.iter().map(value).collect();
    w.u32s(&values);
}

/// A column of bytes: as many as the column before it has rows.
fn bytes<T>(w: &mut Writer, rows: &[T], value: impl Fn(&T) -> u8) {
    let values: Vec<u8> = rows.iter().map(value).collect();
    w.raw(&values);
}

fn symbol_column(w: &mut Writer, symbols: &[Symbol]) {
    column(w, symbols, |symbol| symbol.0);
}

fn write_symbols(w: &mut Writer, symbols: &Symbols) {
    // Without the empty text, which every table has.
    let texts: TextColumn = symbols.iter().skip(1).collect();
    w.texts(&texts);
}

/// Writes a product; see [`super::read_product`].
pub(crate) fn write_product(w: &mut Writer, product: &Product) {
    for text in [
        &product.id,
        &product.name,
        &product.name_en,
        &product.category,
        &product.key_group,
        &product.risk,
        &product.quantity_unit,
    ] {
        w.text(text);
    }
    let flags = [product.key, product.licence, product.ccc];
    let bits = flags.iter().chain(&product.levels).enumerate();
    w.byte(bits.map(|(i, flag)| u8::from(*flag) << i).sum());
    w.byte(product.channels.bits());
    w.uint(u64::from(product.test_quantity));
    w.uint(u64::from(product.reserve_quantity));
    w.uint(product.standards.len() as u64);
    for standard in &product.standards {
        w.text(&standard.code);
        w.byte(u8::from(standard.mandatory));
    }
    w.uint(product.items.len() as u64);
    for item in &product.items {
        w.text(&item.name);
        w.byte(u8::from(item.safety));
    }
    w.uint(product.attributes.len() as u64);
    for (name, value) in &product.attributes {
        w.text(name);
        w.text(value);
    }
}

fn write_enterprises(w: &mut Writer, table: &Enterprises) {
    w.texts(&table.ids);
    w.texts(&table.names);
    bytes(w, &table.status, |status| *status as u8);
    column(w, &table.division, |code| code.value());
    bytes(w, &table.area, |area| *area as u8);
    symbol_column(w, &table.credit_class);
    symbol_column(w, &table.cluster);
    w.u32s(&table.accidents);
    w.uint(table.attributes.len() as u64);
    for (name, values) in &table.attributes {
        w.text(name);
        symbol_column(w, values);
    }
}
