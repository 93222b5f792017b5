//! Rows as they come in: every field is text exactly as a CSV file holds it, so that files and
//! messages take one path and the same mistake gets the same answer.

use std::fmt;
use std::str::FromStr;

use crate::model::UnknownTerm;

/// A table of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Administrative divisions.
    Divisions,
    /// The product catalogue.
    Products,
    /// The enterprise registry.
    Enterprises,
    /// What can be sampled.
    Supply,
    /// Risk tiers.
    Tiers,
    /// Inspection history.
    History,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub name: &'static str,
    pub need: Need,
}

/// When a file must have a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Always: it is part of the key.
    Key,
    /// Unless the file can hold deletions, which need the key only.
    Row,
    /// Never: left out means empty.
    Optional,
}

const fn key(name: &'static str) -> Column {
    Column { name, need: Need::Key }
}

const fn row(name: &'static str) -> Column {
    Column { name, need: Need::Row }
}

const fn optional(name: &'static str) -> Column {
    Column { name, need: Need::Optional }
}

impl Table {
    /// All tables, in canonical order: each refers only to those before it.
    pub const ALL: [Table; 6] = [
        Table::Divisions,
        Table::Products,
        Table::Enterprises,
        Table::Supply,
        Table::Tiers,
        Table::History,
    ];

    /// The word used in reports and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Divisions => "divisions",
            Table::Products => "products",
            Table::Enterprises => "enterprises",
            Table::Supply => "supply",
            Table::Tiers => "tiers",
            Table::History => "history",
        }
    }

    /// The usual name of its file, e.g. `divisions.csv`.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Table::Divisions => "divisions.csv",
            Table::Products => "products.csv",
            Table::Enterprises => "enterprises.csv",
            Table::Supply => "supply.csv",
            Table::Tiers => "tiers.csv",
            Table::History => "history.csv",
        }
    }

    /// The place in the canonical order.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether a revision is complete only if this table has rows.
    #[must_use]
    pub fn is_required(self) -> bool {
        !matches!(self, Table::Tiers | Table::History)
    }

    /// Whether rows may carry attributes (`x_` columns).
    #[must_use]
    pub fn has_attributes(self) -> bool {
        matches!(self, Table::Products | Table::Enterprises)
    }

    /// The names of its columns, in the order of the documentation; without `_delete` and `x_`.
    pub fn column_names(self) -> impl Iterator<Item = &'static str> {
        self.columns().iter().map(|column| column.name)
    }

    pub(super) fn columns(self) -> &'static [Column] {
        const DIVISIONS: &[Column] =
            &[key("code"), row("name"), row("level"), row("parent_code"), optional("kind")];
        const PRODUCTS: &[Column] = &[
            key("product_id"),
            row("name"),
            optional("name_en"),
            optional("category"),
            optional("key"),
            optional("key_group"),
            optional("risk"),
            optional("licence"),
            optional("ccc"),
            optional("standards"),
            optional("items"),
            optional("test_quantity"),
            optional("reserve_quantity"),
            optional("quantity_unit"),
            optional("channels"),
            optional("levels"),
        ];
        const ENTERPRISES: &[Column] = &[
            key("enterprise_id"),
            row("name"),
            row("status"),
            row("division"),
            optional("area"),
            optional("credit_class"),
            optional("cluster"),
            optional("accidents"),
        ];
        const SUPPLY: &[Column] = &[
            key("enterprise_id"),
            key("product_id"),
            key("channel"),
            optional("platform"),
            optional("sale_division"),
        ];
        const TIERS: &[Column] =
            &[key("enterprise_id"), optional("product_id"), row("tier"), optional("valid_from")];
        const HISTORY: &[Column] = &[
            key("enterprise_id"),
            key("product_id"),
            key("level"),
            optional("authority"),
            key("sampled_on"),
            optional("outcome"),
        ];
        match self {
            Table::Divisions => DIVISIONS,
            Table::Products => PRODUCTS,
            Table::Enterprises => ENTERPRISES,
            Table::Supply => SUPPLY,
            Table::Tiers => TIERS,
            Table::History => HISTORY,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Table {
    type Err = UnknownTerm;

    fn from_str(text: &str) -> Result<Self, UnknownTerm> {
        Table::ALL.into_iter().find(|table| table.as_str() == text).ok_or_else(|| UnknownTerm {
            value: text.to_owned(),
            expected: "divisions|products|enterprises|supply|tiers|history",
        })
    }
}

/// What an import does to the tables that are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The rows are the whole table.
    #[default]
    Replace,
    /// The rows are added to the base revision's, take the place of those with the same key, or
    /// delete them. Keys: the id; for tiers enterprise, product and `valid_from`; for supply and
    /// history all columns.
    Upsert,
}

impl Mode {
    /// The word used on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Replace => "replace",
            Mode::Upsert => "upsert",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownTerm;

    fn from_str(text: &str) -> Result<Self, UnknownTerm> {
        match text {
            "replace" => Ok(Mode::Replace),
            "upsert" => Ok(Mode::Upsert),
            _ => Err(UnknownTerm { value: text.to_owned(), expected: "replace|upsert" }),
        }
    }
}

/// A row of the divisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DivisionInput<'a> {
    /// Code of 2, 4, 6 or 9 digits.
    pub code: &'a str,
    /// Name.
    pub name: &'a str,
    /// `province`, `city`, `county` or `township`; must agree with the digits.
    pub level: &'a str,
    /// Code of the division one level up; empty for the province.
    pub parent_code: &'a str,
    /// Kind, e.g. `district`, `subdistrict`, `functional_zone`; may be empty.
    pub kind: &'a str,
    /// Whether the row deletes (upsert only; the key is enough).
    pub delete: bool,
}

/// A row of the product catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProductInput<'a> {
    /// Identifier.
    pub product_id: &'a str,
    /// Chinese name.
    pub name: &'a str,
    /// English name; may be empty.
    pub name_en: &'a str,
    /// Category path, parts separated by `/`; may be empty.
    pub category: &'a str,
    /// `true` or `false` (or empty): whether it is a key product.
    pub key: &'a str,
    /// Group of key products; may be empty.
    pub key_group: &'a str,
    /// Product-risk grade; may be empty.
    pub risk: &'a str,
    /// `true` or `false` (or empty): whether a production licence is required.
    pub licence: &'a str,
    /// `true` or `false` (or empty): whether CCC certification is required.
    pub ccc: &'a str,
    /// Standards, separated by `;`, the mandatory ones with `!` at the end.
    pub standards: &'a str,
    /// Inspection items, separated by `;`, the safety ones with `!` at the end.
    pub items: &'a str,
    /// Quantity of the test sample, an integer; empty is 0.
    pub test_quantity: &'a str,
    /// Quantity of the reserve sample, an integer; empty is 0.
    pub reserve_quantity: &'a str,
    /// Unit of both quantities; may be empty.
    pub quantity_unit: &'a str,
    /// Channels in which it may be sampled, separated by `;`; empty is all.
    pub channels: &'a str,
    /// Levels that may draw it, separated by `;`; empty is all.
    pub levels: &'a str,
    /// Attributes: name with its prefix `x_`, and value.
    pub attributes: &'a [(&'a str, &'a str)],
    /// Whether the row deletes (upsert only; the key is enough).
    pub delete: bool,
}

/// A row of the enterprise registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnterpriseInput<'a> {
    /// Identifier, under the import's scheme.
    pub enterprise_id: &'a str,
    /// Name.
    pub name: &'a str,
    /// Business status, one of [`crate::model::Status`].
    pub status: &'a str,
    /// County or township of registration, 6 or 9 digits.
    pub division: &'a str,
    /// `urban` or `rural`; empty is derived from the township's kind.
    pub area: &'a str,
    /// Credit-risk class; may be empty.
    pub credit_class: &'a str,
    /// Industrial cluster; may be empty.
    pub cluster: &'a str,
    /// Number of recorded accidents, an integer; empty is 0.
    pub accidents: &'a str,
    /// Attributes: name with its prefix `x_`, and value.
    pub attributes: &'a [(&'a str, &'a str)],
    /// Whether the row deletes (upsert only; the key is enough).
    pub delete: bool,
}

/// A row of the supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SupplyInput<'a> {
    /// Enterprise.
    pub enterprise_id: &'a str,
    /// Product.
    pub product_id: &'a str,
    /// `production`, `circulation` or `online`.
    pub channel: &'a str,
    /// Platform; only for `online`, may be empty.
    pub platform: &'a str,
    /// Place of sale where it is not the place of registration; may be empty.
    pub sale_division: &'a str,
    /// Whether the row deletes (upsert only).
    pub delete: bool,
}

/// A row of the risk tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TierInput<'a> {
    /// Enterprise.
    pub enterprise_id: &'a str,
    /// Product; empty for the enterprise as a whole.
    pub product_id: &'a str,
    /// The tier.
    pub tier: &'a str,
    /// First day on which it holds, `YYYY-MM-DD`; empty for always.
    pub valid_from: &'a str,
    /// Whether the row deletes (upsert only; the key is enough).
    pub delete: bool,
}

/// A row of the inspection history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryInput<'a> {
    /// Enterprise.
    pub enterprise_id: &'a str,
    /// Product.
    pub product_id: &'a str,
    /// Level that sampled: `province`, `city` or `county`.
    pub level: &'a str,
    /// Division code of the authority that sampled; empty if not recorded.
    pub authority: &'a str,
    /// Date of sampling, `YYYY-MM-DD`.
    pub sampled_on: &'a str,
    /// Outcome; may be empty.
    pub outcome: &'a str,
    /// Whether the row deletes (upsert only).
    pub delete: bool,
}

/// A row of any table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each holds the row of its table")]
pub enum AnyInput<'a> {
    Division(DivisionInput<'a>),
    Product(ProductInput<'a>),
    Enterprise(EnterpriseInput<'a>),
    Supply(SupplyInput<'a>),
    Tier(TierInput<'a>),
    History(HistoryInput<'a>),
}

impl AnyInput<'_> {
    /// The table that the row belongs to.
    #[must_use]
    pub fn table(&self) -> Table {
        match self {
            AnyInput::Division(_) => Table::Divisions,
            AnyInput::Product(_) => Table::Products,
            AnyInput::Enterprise(_) => Table::Enterprises,
            AnyInput::Supply(_) => Table::Supply,
            AnyInput::Tier(_) => Table::Tiers,
            AnyInput::History(_) => Table::History,
        }
    }
}
