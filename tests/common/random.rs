//! Random small registries with random policies.

use proptest::prelude::*;

use crate::common::Tables;

#[derive(Debug, Clone)]
pub struct Unit {
    pub enterprise: usize,
    pub product: usize,
    pub channels: u8,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub counties: usize,
    pub products: usize,
    /// County, area, class of each enterprise.
    pub enterprises: Vec<(usize, bool, usize)>,
    pub units: Vec<Unit>,
    pub budgets: [u64; 3],
    pub quotas: Vec<(usize, usize, u64, u64)>,
    pub certain: bool,
    pub floor: u64,
    pub replacements: u64,
    pub waves: bool,
}

const WHERE: [(&str, &str); 7] = [
    ("key products", "where = { key = true }"),
    ("online", "where = { channel = \"online\" }"),
    ("rural", "where = { area = \"rural\" }"),
    ("class D", "where = { tier = \"D\" }"),
    ("province's", "where = { level = \"province\" }"),
    ("first city's", "where = { city = \"3701\" }"),
    ("two channels", "where = { channel = [\"production\", \"circulation\"], area = \"urban\" }"),
];
const EACH: [&str; 9] = [
    "\"plan\"",
    "\"level\"",
    "\"authority\"",
    "\"county\"",
    "\"product\"",
    "\"tier\"",
    "\"authority/county\"",
    "\"city\", \"channel\"",
    "\"level/channel\", \"area\"",
];

pub fn case() -> impl Strategy<Value = Case> {
    let shape = (1usize..4, 1usize..5, 3usize..40);
    shape.prop_flat_map(|(counties, products, enterprises)| {
        let enterprise = (0..counties * 2, any::<bool>(), 0usize..4);
        let unit = (0..enterprises, 0..products, 1u8..8)
            .prop_map(|(enterprise, product, channels)| Unit { enterprise, product, channels });
        (
            prop::collection::vec(enterprise, enterprises),
            prop::collection::vec(unit, 5..120),
            (0u64..12, 0u64..12, 0u64..20),
            prop::collection::vec(
                (0usize..WHERE.len(), 0usize..EACH.len(), 0u64..45, 0u64..4),
                0..5,
            ),
            (any::<bool>(), 0u64..30, 0u64..3, any::<bool>()),
        )
            .prop_map(move |(enterprises, units, budgets, quotas, rest)| Case {
                counties,
                products,
                enterprises,
                units,
                budgets: [budgets.0, budgets.1, budgets.2],
                quotas,
                certain: rest.0,
                floor: rest.1,
                replacements: rest.2,
                waves: rest.3,
            })
    })
}

impl Case {
    pub fn tables(&self) -> Tables {
        let mut tables = Tables::province(self.counties);
        for product in 0..self.products {
            tables.product(&format!("P{product}"), product % 2 == 0);
        }
        for (number, (county, rural, class)) in self.enterprises.iter().enumerate() {
            let county = format!("370{}{:02}", county % 2 + 1, county / 2 + 1);
            let area = if *rural { "rural" } else { "urban" };
            let class = ["A", "B", "D", ""][*class];
            tables.enterprise(&format!("E{number:03}"), &county, area, class);
        }
        let mut seen = std::collections::BTreeSet::new();
        for unit in &self.units {
            if !seen.insert((unit.enterprise, unit.product)) {
                continue;
            }
            for (bit, channel) in ["production", "circulation", "online"].iter().enumerate() {
                if unit.channels >> bit & 1 == 1 {
                    let enterprise = format!("E{:03}", unit.enterprise);
                    tables.supply(&enterprise, &format!("P{}", unit.product), channel);
                }
            }
        }
        tables
    }

    pub fn policy(&self) -> String {
        let mut text = format!(
            "id = \"t\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\nfloor = \"{}%\"\n\
             period = {{ from = \"2026-01-01\", to = \"2026-12-31\" }}\n[budget]\n",
            self.floor
        );
        let mut any = false;
        for (level, total) in ["province", "city", "county"].iter().zip(self.budgets) {
            if total > 0 {
                any = true;
                text += &format!("{level} = {{ total = {total} }}\n");
            }
        }
        if !any {
            text += "province = { total = 1 }\n";
        }
        text += "[weights]\ntier = { A = 1, B = 2, D = 8, unknown = 3 }\n";
        text += &format!("[replacements]\nper_line = {}\n", self.replacements);
        if self.certain {
            text += "[[certain]]\nwhere = { tier = \"D\", key = true }\n";
        }
        if self.waves {
            text += "[[wave]]\nuntil = \"2026-06-30\"\nshare = \"35%\"\n\
                     [[wave]]\nuntil = \"2026-12-31\"\nshare = \"65%\"\n";
        }
        for (number, (filter, each, share, batches)) in self.quotas.iter().enumerate() {
            let (name, filter) = WHERE[*filter];
            let each = EACH[*each];
            let open = each.contains("county")
                || each.contains("product")
                || each.contains("tier")
                || each.contains("city")
                || each.contains("area");
            let bound = match (number % 3, open) {
                (0, _) => format!("min = {batches}"),
                (1, false) => format!("min = \"{share}%\""),
                (1, true) => format!("max = {}", batches + 2),
                _ => format!("max = \"{}%\"", 100 - share),
            };
            text += &format!(
                "[[quota]]\nname = \"{name} {number}\"\n{filter}\neach = [{each}]\n{bound}\n"
            );
        }
        text
    }
}
