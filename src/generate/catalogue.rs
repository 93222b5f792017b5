//! The products, as the generator looks at them.

const PRODUCTS: &str = include_str!("../../data/products.csv");

/// A product of the catalogue.
pub(super) struct Product {
    pub id: &'static str,
    pub name: &'static str,
    pub category: &'static str,
    /// Production, circulation, online.
    pub channels: [bool; 3],
    /// How often it is made or sold, relative to others.
    pub weight: u64,
}

/// The catalogue, key products first.
pub(super) struct Catalogue {
    pub products: Vec<Product>,
    /// Number of key products.
    pub key: usize,
}

/// Products that are everywhere, and those that few places have; others have 8.
const COMMON: [(&str, u64); 12] = [
    ("EB01", 30),
    ("EC01", 20),
    ("BT01", 16),
    ("BT02", 14),
    ("WC01", 30),
    ("GA01", 18),
    ("GA02", 16),
    ("GA03", 18),
    ("GA04", 14),
    ("HC02", 14),
    ("FW01", 12),
    ("CE01", 12),
];

impl Catalogue {
    pub fn new() -> Self {
        let rows = PRODUCTS.lines().skip(1).enumerate().filter_map(|(number, line)| {
            let fields: Vec<&'static str> = line.split(',').collect();
            let (id, key) = (*fields.first()?, *fields.get(4)?);
            let channels = *fields.get(14)?;
            let allowed = |channel: &str| {
                channels.is_empty() || channels.split(';').any(|text| text == channel)
            };
            let common = COMMON.iter().find(|(other, _)| *other == id).map(|(_, weight)| *weight);
            let product = Product {
                id,
                name: fields.get(1)?,
                category: fields.get(3)?,
                channels: ["production", "circulation", "online"].map(allowed),
                // Of the others some are common and some rare, in a fixed pattern.
                weight: common.unwrap_or(if key == "true" {
                    8
                } else {
                    4 + number as u64 * 7 % 11
                }),
            };
            Some((product, key == "true"))
        });
        let (products, keys): (Vec<Product>, Vec<bool>) = rows.unzip();
        debug_assert!(keys.is_sorted_by(|a, b| a >= b));
        let key = keys.iter().filter(|key| **key).count();
        Catalogue { products, key }
    }

    /// The table itself, header first.
    pub fn lines(&self) -> impl Iterator<Item = &'static str> {
        PRODUCTS.lines()
    }

    /// Total weight of key products or of the others.
    pub fn weight(&self, key: bool) -> u64 {
        let own = if key { &self.products[..self.key] } else { &self.products[self.key..] };
        own.iter().map(|product| product.weight).sum()
    }

    /// The key or other product at a point of the total weight.
    pub fn at(&self, key: bool, mut point: u64) -> usize {
        let range = if key { 0..self.key } else { self.key..self.products.len() };
        for place in range.clone() {
            let weight = self.products[place].weight;
            if point < weight {
                return place;
            }
            point -= weight;
        }
        range.end - 1
    }
}
