//! The tables of one registry revision, sorted and interned, as the rest of the crate reads them.

use crate::model::{
    Area, Channel, ChannelSet, Date, DivisionCode, IdScheme, Level, Status, Symbol, Symbols,
    TextColumn,
};

/// One revision of the registry: six tables, checked, each in canonical order.
///
/// Equal contents are equal values whatever order, batch size or mode they were imported in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// The rule that enterprise ids follow.
    pub id_scheme: IdScheme,
    /// Administrative divisions, ascending by code; exactly one province.
    pub divisions: Vec<Division>,
    /// The product catalogue, ascending by id.
    pub products: Vec<Product>,
    /// The enterprise registry, ascending by id.
    pub enterprises: Enterprises,
    /// What can be sampled, ascending by all fields (symbols compare as their texts).
    pub supply: Vec<Supply>,
    /// Risk tiers, ascending by all fields.
    pub tiers: Vec<TierRow>,
    /// Inspection history, ascending by all fields.
    pub history: Vec<HistoryRow>,
    /// The texts that the columns name by number.
    pub symbols: Symbols,
}

/// An administrative division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Its code.
    pub code: DivisionCode,
    /// Its name.
    pub name: String,
    /// The division it belongs to; none for the province.
    pub parent: Option<DivisionCode>,
    /// Kind, e.g. `district`, `county`, `subdistrict`, `town`, `functional_zone`; may be empty.
    pub kind: String,
}

/// A standard that a product is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standard {
    /// Code with year, e.g. `GB 17761-2024`.
    pub code: String,
    /// Whether it is mandatory.
    pub mandatory: bool,
}

/// An inspection item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Whether it is a safety item.
    pub safety: bool,
}

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Identifier.
    pub id: String,
    /// Chinese name.
    pub name: String,
    /// English name; may be empty.
    pub name_en: String,
    /// Category path, parts separated by `/`.
    pub category: String,
    /// Whether it is a key product.
    pub key: bool,
    /// Group of key products; may be empty.
    pub key_group: String,
    /// Product-risk grade, e.g. `low`; may be empty.
    pub risk: String,
    /// Whether a production licence is required.
    pub licence: bool,
    /// Whether CCC certification is required.
    pub ccc: bool,
    /// Standards, as listed.
    pub standards: Vec<Standard>,
    /// Inspection items, as listed.
    pub items: Vec<Item>,
    /// Quantity of the test sample, in `quantity_unit`.
    pub test_quantity: u32,
    /// Quantity of the reserve sample, in `quantity_unit`.
    pub reserve_quantity: u32,
    /// Unit of both quantities; may be empty.
    pub quantity_unit: String,
    /// Channels in which it may be sampled; all if the table leaves them out.
    pub channels: ChannelSet,
    /// Levels that may draw it, indexed by [`Level::index`]; all if the table leaves them out.
    pub levels: [bool; 3],
    /// Attributes (`x_` columns): name with its prefix, and value, ascending by name; empty values left out.
    pub attributes: Vec<(String, String)>,
}

/// The enterprise registry in columns of equal length, ascending by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enterprises {
    /// Identifiers.
    pub ids: TextColumn,
    /// Names.
    pub names: TextColumn,
    /// Business status.
    pub status: Vec<Status>,
    /// County or township of registration (6 or 9 digits).
    pub division: Vec<DivisionCode>,
    /// Urban / rural class, derived from the township's kind where the table leaves it empty
    /// (`subdistrict` is urban, another kind rural; a county alone is urban).
    pub area: Vec<Area>,
    /// Credit-risk class; empty if unknown.
    pub credit_class: Vec<Symbol>,
    /// Industrial cluster; empty if none.
    pub cluster: Vec<Symbol>,
    /// Number of recorded quality or safety accidents.
    pub accidents: Vec<u32>,
    /// Attribute columns (`x_` columns): name with its prefix, and values; ascending by name,
    /// columns that are empty throughout left out.
    pub attributes: Vec<(String, Vec<Symbol>)>,
}

impl Enterprises {
    /// Number of enterprises.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// One way in which a unit can be sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Supply {
    /// Row of [`Registry::enterprises`].
    pub enterprise: u32,
    /// Row of [`Registry::products`].
    pub product: u32,
    /// Sampling channel.
    pub channel: Channel,
    /// Platform, for online; else empty.
    pub platform: Symbol,
    /// Place of sale, where it is not the place of registration.
    pub sale_division: Option<DivisionCode>,
}

/// A risk tier of an enterprise, or of one of its products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TierRow {
    /// Row of [`Registry::enterprises`].
    pub enterprise: u32,
    /// Row of [`Registry::products`]; none for the enterprise as a whole.
    pub product: Option<u32>,
    /// First day on which it holds; none for always.
    pub valid_from: Option<Date>,
    /// The tier.
    pub tier: Symbol,
}

/// An earlier sampling of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryRow {
    /// Row of [`Registry::enterprises`].
    pub enterprise: u32,
    /// Row of [`Registry::products`].
    pub product: u32,
    /// Date of sampling.
    pub sampled_on: Date,
    /// Level that sampled.
    pub level: Level,
    /// Authority that sampled; none if not recorded.
    pub authority: Option<DivisionCode>,
    /// Outcome, e.g. `passed`, `failed`, `complaint`, `emergency`; may be empty.
    pub outcome: Symbol,
}
