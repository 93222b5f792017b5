//! Rows into an import: one function for each table.

use crate::model::{Area, Channel, Level, Status};

use super::check::Check;
use super::import::{
    DivisionRow, EnterpriseRow, HistoryPending, Import, Origin, ProductRow, SupplyRow, TierPending,
};
use super::input::{
    DivisionInput, EnterpriseInput, HistoryInput, Mode, ProductInput, SupplyInput, Table, TierInput,
};
use super::intern::Codes;
use super::tables::{Item, Product, Standard};

/// The word for the level of a code, by its digits.
fn level_word(digits: u8) -> &'static str {
    match digits {
        2 => "province",
        4 => "city",
        6 => "county",
        _ => "township",
    }
}

/// The number of digits of the level above.
pub(super) fn digits_above(digits: u8) -> Option<u8> {
    match digits {
        4 => Some(2),
        6 => Some(4),
        9 => Some(6),
        _ => None,
    }
}

impl Import {
    fn check(&mut self, table: Table, row: u64, delete: bool) -> Check<'_> {
        Check::new(&mut self.problems, self.mode, table, row, delete)
    }

    /// A deletion in mode replace has been reported; it must not also look for a row to delete.
    fn origin(&self, delete: bool) -> Origin {
        if delete && self.mode == Mode::Upsert { Origin::Delete } else { Origin::Keep }
    }

    /// Pushes a division. `row` is the number under which a report names it, from 1.
    pub fn push_division(&mut self, row: u64, input: &DivisionInput<'_>) {
        self.count_row(Table::Divisions);
        let mut check = self.check(Table::Divisions, row, input.delete);
        let code = check.code("code", input.code);
        let (mut name, mut kind) = ("", "");
        if !input.delete {
            name = check.name("name", input.name);
            kind = check.text("kind", input.kind);
            if !["province", "city", "county", "township"].contains(&input.level) {
                let why = format_args!("must be one of province|city|county|township");
                check.bad("level", input.level, why);
            } else if let Some(code) = code
                && level_word(code.digits()) != input.level
            {
                let (digits, right) = (code.digits(), level_word(code.digits()));
                let why = format_args!("a code of {digits} digits is that of a {right}");
                check.bad("level", input.level, why);
            }
            let parent = check.code_or_none("parent_code", input.parent_code);
            let expected =
                code.and_then(|code| digits_above(code.digits()).and_then(|d| code.cut(d)));
            match expected {
                Some(expected) if parent.is_none() && input.parent_code.is_empty() => {
                    check.bad("parent_code", "", format_args!("must be `{expected}`"));
                }
                Some(expected) if parent.is_some_and(|parent| parent != expected) => {
                    let why = format_args!("must be `{expected}`, the beginning of the code");
                    check.bad("parent_code", input.parent_code, why);
                }
                None if code.is_some() && parent.is_some() => {
                    let why = format_args!("must be empty for the province");
                    check.bad("parent_code", input.parent_code, why);
                }
                _ => {}
            }
        }
        let (Some(code), Some(number)) = (code, self.admit(Table::Divisions, row)) else {
            return;
        };
        self.other_text += (name.len() + kind.len()) as u64;
        self.divisions.push(DivisionRow {
            code,
            name: name.to_owned(),
            kind: kind.to_owned(),
            row: number,
            origin: self.origin(input.delete),
        });
        self.settle();
    }

    /// Pushes a product. `row` is the number under which a report names it, from 1.
    pub fn push_product(&mut self, row: u64, input: &ProductInput<'_>) {
        self.count_row(Table::Products);
        let mut check = self.check(Table::Products, row, input.delete);
        let has_key = check.id("product_id", input.product_id);
        let fields = if input.delete { empty_product() } else { product_fields(&mut check, input) };
        let Some(number) = self.admit(Table::Products, row).filter(|_| has_key) else {
            return;
        };
        let origin = self.origin(input.delete);
        self.keep_product(input.product_id, fields, number, origin);
    }

    pub(super) fn keep_product(&mut self, id: &str, fields: Product, row: u32, origin: Origin) {
        let product = self.product_ids.intern(id);
        self.other_text += product_text_bytes(&fields);
        for (name, _) in &fields.attributes {
            if !self.product_attributes.contains(name) {
                self.product_attributes.insert(name.clone());
            }
        }
        self.products.push(ProductRow { product, fields, row, origin });
        self.settle();
    }

    /// Pushes an enterprise. `row` is the number under which a report names it, from 1.
    pub fn push_enterprise(&mut self, row: u64, input: &EnterpriseInput<'_>) {
        self.count_row(Table::Enterprises);
        let scheme = self.scheme;
        let mut check = self.check(Table::Enterprises, row, input.delete);
        let has_key = check.enterprise_id("enterprise_id", input.enterprise_id, scheme);
        let mut kept = EnterpriseRow {
            enterprise: 0,
            division: Codes::NONE,
            credit_class: 0,
            cluster: 0,
            accidents: 0,
            row: 0,
            status: Status::Active,
            area: None,
            origin: Origin::Keep,
        };
        let (mut name, mut credit_class, mut cluster) = ("", "", "");
        let (mut division, mut attributes) = (None, Vec::new());
        if !input.delete {
            name = check.name("name", input.name);
            kept.status = check.term("status", input.status).unwrap_or(Status::Active);
            division = check.code("division", input.division);
            if division.is_some_and(|code| code.digits() < 6) {
                let why = format_args!("must be a county (6 digits) or township (9 digits)");
                check.bad("division", input.division, why);
                division = None;
            }
            if !input.area.is_empty() {
                kept.area = check.term::<Area>("area", input.area);
            }
            credit_class = check.text("credit_class", input.credit_class);
            cluster = check.text("cluster", input.cluster);
            kept.accidents = check.integer("accidents", input.accidents);
            if !input.attributes.is_empty() {
                attributes = check.attributes(input.attributes);
            }
        }
        let Some(number) = self.admit(Table::Enterprises, row).filter(|_| has_key) else {
            return;
        };
        kept.row = number;
        kept.origin = self.origin(input.delete);
        kept.enterprise = self.enterprise_ids.intern(input.enterprise_id);
        kept.division = self.codes.intern_optional(division);
        kept.credit_class = self.texts.intern(credit_class);
        kept.cluster = self.texts.intern(cluster);
        for (attribute, value) in attributes {
            let value = self.texts.intern(value);
            self.keep_attribute(attribute, value);
        }
        self.enterprises.names.push(name);
        self.enterprises.rows.push(kept);
        self.settle();
    }

    /// Sets an attribute of the enterprise that is pushed next.
    pub(super) fn keep_attribute(&mut self, name: &str, value: u32) {
        if !self.enterprises.attributes.contains_key(name) {
            self.enterprises.attributes.insert(name.to_owned(), Vec::new());
        }
        if let Some(column) = self.enterprises.attributes.get_mut(name) {
            column.resize(self.enterprises.rows.len(), 0);
            column.push(value);
        }
    }

    /// Pushes a row of supply. `row` is the number under which a report names it, from 1.
    pub fn push_supply(&mut self, row: u64, input: &SupplyInput<'_>) {
        self.count_row(Table::Supply);
        let mut check = self.check(Table::Supply, row, input.delete);
        check.id("enterprise_id", input.enterprise_id);
        check.id("product_id", input.product_id);
        let channel = check.term::<Channel>("channel", input.channel);
        let platform = check.text("platform", input.platform);
        if !platform.is_empty() && channel.is_some_and(|channel| channel != Channel::Online) {
            let why = format_args!("must be empty unless the channel is `online`");
            check.bad("platform", platform, why);
        }
        let sale_division = check.code_or_none("sale_division", input.sale_division);
        let clean = check.clean();
        let (Some(number), Some(channel), true) = (self.admit(Table::Supply, row), channel, clean)
        else {
            return;
        };
        let kept = SupplyRow {
            enterprise: self.enterprise_ids.intern(input.enterprise_id),
            product: self.product_ids.intern(input.product_id),
            platform: self.texts.intern(platform),
            sale_division: self.codes.intern_optional(sale_division),
            row: number,
            channel,
            origin: self.origin(input.delete),
        };
        self.supply.push(kept);
        self.settle();
    }

    /// Pushes a risk tier. `row` is the number under which a report names it, from 1.
    pub fn push_tier(&mut self, row: u64, input: &TierInput<'_>) {
        self.count_row(Table::Tiers);
        let mut check = self.check(Table::Tiers, row, input.delete);
        check.id("enterprise_id", input.enterprise_id);
        if !input.product_id.is_empty() {
            check.id("product_id", input.product_id);
        }
        let tier = if input.delete { "" } else { check.name("tier", input.tier) };
        let valid_from = check.date_or_none("valid_from", input.valid_from);
        let clean = check.clean();
        let Some(number) = self.admit(Table::Tiers, row).filter(|_| clean) else {
            return;
        };
        let product = (!input.product_id.is_empty()).then_some(input.product_id);
        let kept = TierPending {
            enterprise: self.enterprise_ids.intern(input.enterprise_id),
            product: product.map(|id| self.product_ids.intern(id)),
            valid_from,
            tier: self.texts.intern(tier),
            row: number,
            origin: self.origin(input.delete),
        };
        self.tiers.push(kept);
        self.settle();
    }

    /// Pushes an inspection. `row` is the number under which a report names it, from 1.
    pub fn push_history(&mut self, row: u64, input: &HistoryInput<'_>) {
        self.count_row(Table::History);
        let mut check = self.check(Table::History, row, input.delete);
        check.id("enterprise_id", input.enterprise_id);
        check.id("product_id", input.product_id);
        let level = check.term::<Level>("level", input.level);
        // Any code will do: inspections name authorities whose county has been merged since.
        let authority = check.code_or_none("authority", input.authority);
        let sampled_on = check.date("sampled_on", input.sampled_on);
        let outcome = check.text("outcome", input.outcome);
        let clean = check.clean();
        let (Some(number), Some(level), Some(sampled_on), true) =
            (self.admit(Table::History, row), level, sampled_on, clean)
        else {
            return;
        };
        let kept = HistoryPending {
            enterprise: self.enterprise_ids.intern(input.enterprise_id),
            product: self.product_ids.intern(input.product_id),
            sampled_on,
            authority: self.codes.intern_optional(authority),
            outcome: self.texts.intern(outcome),
            row: number,
            level,
            origin: self.origin(input.delete),
        };
        self.history.push(kept);
        self.settle();
    }
}

fn empty_product() -> Product {
    Product {
        id: String::new(),
        name: String::new(),
        name_en: String::new(),
        category: String::new(),
        key: false,
        key_group: String::new(),
        risk: String::new(),
        licence: false,
        ccc: false,
        standards: Vec::new(),
        items: Vec::new(),
        test_quantity: 0,
        reserve_quantity: 0,
        quantity_unit: String::new(),
        channels: crate::model::ChannelSet::ALL,
        levels: [true; 3],
        attributes: Vec::new(),
    }
}

fn product_fields(check: &mut Check<'_>, input: &ProductInput<'_>) -> Product {
    let standards = check.marked_list("standards", input.standards).into_iter();
    let items = check.marked_list("items", input.items).into_iter();
    let attributes = check.attributes(input.attributes).into_iter();
    Product {
        id: input.product_id.to_owned(),
        name: check.name("name", input.name).to_owned(),
        name_en: check.text("name_en", input.name_en).to_owned(),
        category: check.path("category", input.category).to_owned(),
        key: check.flag("key", input.key),
        key_group: check.text("key_group", input.key_group).to_owned(),
        risk: check.text("risk", input.risk).to_owned(),
        licence: check.flag("licence", input.licence),
        ccc: check.flag("ccc", input.ccc),
        standards: standards.map(|(code, mandatory)| Standard { code, mandatory }).collect(),
        items: items.map(|(name, safety)| Item { name, safety }).collect(),
        test_quantity: check.integer("test_quantity", input.test_quantity),
        reserve_quantity: check.integer("reserve_quantity", input.reserve_quantity),
        quantity_unit: check.text("quantity_unit", input.quantity_unit).to_owned(),
        channels: check.channels("channels", input.channels),
        levels: check.levels("levels", input.levels),
        attributes: attributes.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
    }
}

fn product_text_bytes(product: &Product) -> u64 {
    let texts = [
        &product.id,
        &product.name,
        &product.name_en,
        &product.category,
        &product.key_group,
        &product.risk,
        &product.quantity_unit,
    ];
    let bytes = texts.iter().map(|text| text.len()).sum::<usize>()
        + product.standards.iter().map(|s| s.code.len()).sum::<usize>()
        + product.items.iter().map(|i| i.name.len()).sum::<usize>()
        + product.attributes.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
    bytes as u64
}
