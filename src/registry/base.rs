//! Rows of the base revision into an import: those of tables that it leaves alone, and those
//! that an upsert builds on.

use crate::model::{DivisionCode, Symbol};

use super::import::{
    DivisionRow, EnterpriseRow, HistoryPending, Import, Origin, SupplyRow, TierPending,
};
use super::input::{Mode, Table};
use super::tables::Registry;

impl Import {
    /// Whether the rows of the base revision take part in `table`.
    fn builds_on_base(&self, table: Table) -> bool {
        !self.declared[table.index()] || self.mode == Mode::Upsert
    }

    /// Adds the rows of `base` that the new revision builds on.
    pub(super) fn load(&mut self, base: &Registry) {
        if self.builds_on_base(Table::Divisions) {
            self.load_divisions(base);
        }
        if self.builds_on_base(Table::Products) {
            for product in &base.products {
                self.keep_product(&product.id, product.clone(), 0, Origin::Base);
            }
        }
        let links = [Table::Enterprises, Table::Supply, Table::Tiers, Table::History];
        if !links.into_iter().any(|table| self.builds_on_base(table)) {
            return;
        }
        // From the base's numbers to those of this import; what is then not used falls away.
        let numbers = Numbers {
            enterprises: base
                .enterprises
                .ids
                .iter()
                .map(|id| self.enterprise_ids.intern(id))
                .collect(),
            products: base.products.iter().map(|p| self.product_ids.intern(&p.id)).collect(),
            texts: base.symbols.iter().map(|text| self.texts.intern(text)).collect(),
        };
        if self.builds_on_base(Table::Enterprises) {
            self.load_enterprises(base, &numbers);
        }
        if self.builds_on_base(Table::Supply) {
            self.load_supply(base, &numbers);
        }
        if self.builds_on_base(Table::Tiers) {
            self.tiers.extend(base.tiers.iter().map(|tier| TierPending {
                enterprise: numbers.enterprises[tier.enterprise as usize],
                product: tier.product.map(|product| numbers.products[product as usize]),
                valid_from: tier.valid_from,
                tier: numbers.text(tier.tier),
                row: 0,
                origin: Origin::Base,
            }));
        }
        if self.builds_on_base(Table::History) {
            self.load_history(base, &numbers);
        }
        self.settle();
    }

    fn load_divisions(&mut self, base: &Registry) {
        for division in &base.divisions {
            self.other_text += (division.name.len() + division.kind.len()) as u64;
            self.divisions.push(DivisionRow {
                code: division.code,
                name: division.name.clone(),
                kind: division.kind.clone(),
                row: 0,
                origin: Origin::Base,
            });
        }
    }

    fn load_enterprises(&mut self, base: &Registry, numbers: &Numbers) {
        let table = &base.enterprises;
        for row in 0..table.len() {
            for (name, column) in &table.attributes {
                if column[row] != Symbol::EMPTY {
                    self.keep_attribute(name, numbers.text(column[row]));
                }
            }
            self.enterprises.names.push(table.names.get(row));
            self.enterprises.rows.push(EnterpriseRow {
                enterprise: numbers.enterprises[row],
                division: self.codes.intern(table.division[row]),
                credit_class: numbers.text(table.credit_class[row]),
                cluster: numbers.text(table.cluster[row]),
                accidents: table.accidents[row],
                row: 0,
                status: table.status[row],
                area: Some(table.area[row]),
                origin: Origin::Base,
            });
            if self.excess.is_some() {
                return;
            }
            self.settle();
        }
    }

    fn load_supply(&mut self, base: &Registry, numbers: &Numbers) {
        self.supply.reserve(base.supply.len());
        for supply in &base.supply {
            let sale_division: Option<DivisionCode> = supply.sale_division;
            let kept = SupplyRow {
                enterprise: numbers.enterprises[supply.enterprise as usize],
                product: numbers.products[supply.product as usize],
                platform: numbers.text(supply.platform),
                sale_division: self.codes.intern_optional(sale_division),
                row: 0,
                channel: supply.channel,
                origin: Origin::Base,
            };
            self.supply.push(kept);
        }
    }

    fn load_history(&mut self, base: &Registry, numbers: &Numbers) {
        for inspection in &base.history {
            let kept = HistoryPending {
                enterprise: numbers.enterprises[inspection.enterprise as usize],
                product: numbers.products[inspection.product as usize],
                sampled_on: inspection.sampled_on,
                authority: self.codes.intern_optional(inspection.authority),
                outcome: numbers.text(inspection.outcome),
                row: 0,
                level: inspection.level,
                origin: Origin::Base,
            };
            self.history.push(kept);
        }
    }
}

/// The numbers in an import of what a revision numbers from 0.
struct Numbers {
    enterprises: Vec<u32>,
    products: Vec<u32>,
    texts: Vec<u32>,
}

impl Numbers {
    fn text(&self, symbol: Symbol) -> u32 {
        self.texts[symbol.0 as usize]
    }
}
