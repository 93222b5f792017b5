//! Revisions; and rows, which are pushed into an import as they stand in the message.

use std::collections::BTreeMap;

use super::{revision_name, timestamp};
use crate::model::IdScheme;
use crate::registry::{
    DivisionInput, EnterpriseInput, HistoryInput, Import, Mode, ProductInput, SupplyInput, Table,
    TierInput,
};
use crate::service::planner::RevisionRecord;
use crate::service::v1;

/// The message of a revision.
#[must_use]
pub fn revision(record: &RevisionRecord) -> v1::Revision {
    v1::Revision {
        name: revision_name(record.number),
        number: record.number,
        digest: record.digest.to_string(),
        id_scheme: match record.id_scheme {
            IdScheme::Uscc => v1::IdScheme::Uscc,
            IdScheme::Opaque => v1::IdScheme::Opaque,
        }
        .into(),
        counts: Some(v1::RowCounts {
            divisions: record.count(Table::Divisions),
            products: record.count(Table::Products),
            enterprises: record.count(Table::Enterprises),
            supply: record.count(Table::Supply),
            tiers: record.count(Table::Tiers),
            history: record.count(Table::History),
        }),
        import_time: timestamp(record.imported_at),
        base_revision: if record.base == 0 { String::new() } else { revision_name(record.base) },
        size_bytes: record.bytes,
    }
}

/// The scheme of enterprise ids.
///
/// # Errors
/// If the number is no scheme.
pub fn id_scheme(number: i32) -> Result<IdScheme, &'static str> {
    match v1::IdScheme::try_from(number) {
        Ok(v1::IdScheme::Unspecified | v1::IdScheme::Uscc) => Ok(IdScheme::Uscc),
        Ok(v1::IdScheme::Opaque) => Ok(IdScheme::Opaque),
        Err(_) => Err("must be an id scheme"),
    }
}

/// The mode of an import.
///
/// # Errors
/// If the number is no mode.
pub fn import_mode(number: i32) -> Result<Mode, &'static str> {
    match v1::ImportMode::try_from(number) {
        Ok(v1::ImportMode::Unspecified | v1::ImportMode::Replace) => Ok(Mode::Replace),
        Ok(v1::ImportMode::Upsert) => Ok(Mode::Upsert),
        Err(_) => Err("must be an import mode"),
    }
}

/// A table.
///
/// # Errors
/// If the number is no table.
pub fn table(number: i32) -> Result<Table, &'static str> {
    match v1::Table::try_from(number) {
        Ok(v1::Table::Divisions) => Ok(Table::Divisions),
        Ok(v1::Table::Products) => Ok(Table::Products),
        Ok(v1::Table::Enterprises) => Ok(Table::Enterprises),
        Ok(v1::Table::Supply) => Ok(Table::Supply),
        Ok(v1::Table::Tiers) => Ok(Table::Tiers),
        Ok(v1::Table::History) => Ok(Table::History),
        Ok(v1::Table::Unspecified) | Err(_) => Err("must be a table"),
    }
}

/// The message of a table.
#[must_use]
pub fn table_message(table: Table) -> v1::Table {
    match table {
        Table::Divisions => v1::Table::Divisions,
        Table::Products => v1::Table::Products,
        Table::Enterprises => v1::Table::Enterprises,
        Table::Supply => v1::Table::Supply,
        Table::Tiers => v1::Table::Tiers,
        Table::History => v1::Table::History,
    }
}

/// Number of rows in a message.
#[must_use]
pub fn row_count(rows: &v1::ImportRows) -> u64 {
    let tables = [
        rows.divisions.len(),
        rows.products.len(),
        rows.enterprises.len(),
        rows.supply.len(),
        rows.tiers.len(),
        rows.history.len(),
    ];
    tables.iter().sum::<usize>() as u64
}

/// Pushes rows into an import, borrowed: no text is copied on the way.
pub fn push_rows(import: &mut Import, rows: &v1::ImportRows) {
    for row in &rows.divisions {
        import.push_division(row.row, &division(row));
    }
    for row in &rows.products {
        let attributes = pairs(&row.attributes);
        import.push_product(row.row, &ProductInput { attributes: &attributes, ..product(row) });
    }
    for row in &rows.enterprises {
        let attributes = pairs(&row.attributes);
        let input = EnterpriseInput { attributes: &attributes, ..enterprise(row) };
        import.push_enterprise(row.row, &input);
    }
    for row in &rows.supply {
        import.push_supply(row.row, &supply(row));
    }
    for row in &rows.tiers {
        import.push_tier(row.row, &tier(row));
    }
    for row in &rows.history {
        import.push_history(row.row, &history(row));
    }
}

fn pairs(attributes: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn division(row: &v1::DivisionRow) -> DivisionInput<'_> {
    DivisionInput {
        code: &row.code,
        name: &row.name,
        level: &row.level,
        parent_code: &row.parent_code,
        kind: &row.kind,
        delete: row.delete,
    }
}

fn product(row: &v1::ProductRow) -> ProductInput<'_> {
    ProductInput {
        product_id: &row.product_id,
        name: &row.name,
        name_en: &row.name_en,
        category: &row.category,
        key: &row.key,
        key_group: &row.key_group,
        risk: &row.risk,
        licence: &row.licence,
        ccc: &row.ccc,
        standards: &row.standards,
        items: &row.items,
        test_quantity: &row.test_quantity,
        reserve_quantity: &row.reserve_quantity,
        quantity_unit: &row.quantity_unit,
        channels: &row.channels,
        levels: &row.levels,
        attributes: &[],
        delete: row.delete,
    }
}

fn enterprise(row: &v1::EnterpriseRow) -> EnterpriseInput<'_> {
    EnterpriseInput {
        enterprise_id: &row.enterprise_id,
        name: &row.name,
        status: &row.status,
        division: &row.division,
        area: &row.area,
        credit_class: &row.credit_class,
        cluster: &row.cluster,
        accidents: &row.accidents,
        attributes: &[],
        delete: row.delete,
    }
}

fn supply(row: &v1::SupplyRow) -> SupplyInput<'_> {
    SupplyInput {
        enterprise_id: &row.enterprise_id,
        product_id: &row.product_id,
        channel: &row.channel,
        platform: &row.platform,
        sale_division: &row.sale_division,
        delete: row.delete,
    }
}

fn tier(row: &v1::TierRow) -> TierInput<'_> {
    TierInput {
        enterprise_id: &row.enterprise_id,
        product_id: &row.product_id,
        tier: &row.tier,
        valid_from: &row.valid_from,
        delete: row.delete,
    }
}

fn history(row: &v1::HistoryRow) -> HistoryInput<'_> {
    HistoryInput {
        enterprise_id: &row.enterprise_id,
        product_id: &row.product_id,
        level: &row.level,
        authority: &row.authority,
        sampled_on: &row.sampled_on,
        outcome: &row.outcome,
        delete: row.delete,
    }
}
