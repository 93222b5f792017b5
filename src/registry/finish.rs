//! The end of an import: references, duplicates, upserts and the base's rows; then the revision.

use std::mem;

use crate::model::{IdScheme, Symbol, Symbols};

use super::entities::{Refs, build_divisions, build_enterprises, build_products};
use super::import::Import;
use super::input::{Mode, Table};
use super::intern::Sorted;
use super::links::Links;
use super::report::{Counts, Report};
use super::tables::Registry;

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
