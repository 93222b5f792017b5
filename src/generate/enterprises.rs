//! Enterprises with what they make and sell, their tiers and their history.

use std::io::Write;

use super::catalogue::Catalogue;
use super::territory::{Place, Territory};
use super::{GenerateError, Out};
use crate::draw::Stream;
use crate::model::{add_months, parse_date, uscc_check_character};

/// The tables that grow with the number of units.
pub(super) struct Tables<'a, W: Write> {
    pub enterprises: &'a mut Out<W>,
    pub supply: &'a mut Out<W>,
    pub tiers: &'a mut Out<W>,
    pub history: &'a mut Out<W>,
}

const CHANNELS: [&str; 3] = ["production", "circulation", "online"];
const PLATFORMS: [&str; 6] = ["平台甲", "平台乙", "平台丙", "平台丁", "平台戊", "平台己"];
const WORDS: [&str; 24] = [
    "宏远", "鑫源", "恒泰", "瑞丰", "华盛", "金利", "东方", "新科", "永安", "齐鲁", "泰山", "海润",
    "众合", "德信", "三和", "天成", "正达", "嘉禾", "鲁能", "盛世", "顺达", "广源", "凯旋", "春晖",
];
const ENDINGS: [&str; 3] = ["制造有限公司", "商贸经营部", "电子商务店"];

/// Synthetic clusters: where, of which categories, name.
const CLUSTERS: [(&str, &str, &str); 12] = [
    ("3701", "工业生产资料/化工", "济南化工集群"),
    ("3702", "日用消费品/家用电器", "青岛家电集群"),
    ("3703", "建筑装饰材料/陶瓷", "淄博陶瓷集群"),
    ("3704", "建筑装饰材料/水泥", "枣庄水泥集群"),
    ("3706", "日用消费品/燃气器具", "烟台燃气具集群"),
    ("3707", "交通用品", "潍坊配件集群"),
    ("3708", "机电产品/电工电器", "济宁电缆集群"),
    ("3713", "建筑装饰材料/人造板", "临沂板材集群"),
    ("3713", "劳动防护", "临沂劳保集群"),
    ("3714", "日用消费品/交通工具", "德州电动车集群"),
    ("3715", "机电产品/电工电器", "聊城线缆集群"),
    ("3717", "日用消费品/家具", "菏泽家具集群"),
];

/// The texts of one enterprise, kept for re-use.
#[derive(Default)]
struct Buffers {
    id: String,
    name: String,
    products: Vec<usize>,
}

/// Writes enterprises until the units are spent.
pub(super) fn write<W: Write>(
    territory: &Territory,
    catalogue: &Catalogue,
    units: u64,
    stream: Stream,
    tables: &mut Tables<'_, W>,
) -> Result<(), GenerateError> {
    let mut writer = Writer {
        territory,
        catalogue,
        stream,
        weights: [catalogue.weight(false), catalogue.weight(true)],
        serial: 0,
        buffers: Buffers::default(),
    };
    for (place, share) in territory.places.iter().zip(territory.shares(units)) {
        let mut left = share;
        while left > 0 {
            left -= writer.enterprise(place, left, tables)?;
        }
    }
    Ok(())
}

struct Writer<'a> {
    territory: &'a Territory,
    catalogue: &'a Catalogue,
    stream: Stream,
    weights: [u64; 2],
    serial: u64,
    buffers: Buffers,
}

impl Writer<'_> {
    fn chance(&mut self, per_mille: u64) -> bool {
        self.stream.below(1_000) < per_mille
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.stream.below(texts.len() as u64) as usize]
    }

    /// Writes one enterprise with at most `left` units; returns how many.
    fn enterprise<W: Write>(
        &mut self,
        place: &Place,
        left: u64,
        tables: &mut Tables<'_, W>,
    ) -> Result<u64, GenerateError> {
        // Producers, shops, online sellers.
        let kind = match self.stream.below(100) {
            0..36 => 0,
            36..80 => 1,
            _ => 2,
        };
        let mut buffers = std::mem::take(&mut self.buffers);
        self.choose_products(kind, left, &mut buffers.products);
        self.identity(place, kind, &mut buffers);
        let Buffers { id, name, products } = &buffers;
        let status = match self.stream.below(1_000) {
            0..12 => "suspended",
            12..22 => "deregistered",
            22..26 => "revoked",
            26..30 => "moved_out",
            _ => "active",
        };
        let class = match self.stream.below(10_000) {
            0..300 => "",
            300..6_650 => "A",
            6_650..9_105 => "B",
            9_105..9_855 => "C",
            _ => "D",
        };
        let accidents = match self.stream.below(1_000) {
            0..8 => "1",
            8..10 => "2",
            _ => "0",
        };
        let area = if self.chance(50) { self.pick(&["urban", "rural"]) } else { "" };
        let cluster = self.cluster(place, products);
        tables.enterprises.row(&[id, name, status, place.code, area, class, cluster, accidents])?;
        if self.chance(80) {
            self.tier(id, products, tables)?;
        }
        for product in products {
            self.unit(place, kind, id, *product, tables)?;
        }
        let units = products.len() as u64;
        self.buffers = buffers;
        Ok(units)
    }

    fn choose_products(&mut self, kind: usize, left: u64, products: &mut Vec<usize>) {
        let wanted = match self.stream.below(100) {
            0..48 => 1,
            48..74 => 2,
            74..87 => 3,
            87..96 => 4 + self.stream.below(3),
            // Markets and large shops.
            _ if kind == 1 => 8 + self.stream.below(23),
            _ => 4 + self.stream.below(5),
        };
        products.clear();
        while (products.len() as u64) < wanted.min(left) {
            let key = self.chance(250);
            let point = self.stream.below(self.weights[usize::from(key)]);
            let product = self.catalogue.at(key, point);
            // What the kind of enterprise cannot offer is not its trade.
            if self.catalogue.products[product].channels[kind] && !products.contains(&product) {
                products.push(product);
            }
        }
    }

    fn identity(&mut self, place: &Place, kind: usize, buffers: &mut Buffers) {
        let Buffers { id, name, products } = buffers;
        self.serial += 1;
        id.clear();
        id.push_str("91");
        id.push_str(place.county);
        let serial = format!("{:09}", self.serial);
        id.push_str(&serial);
        // The alphabet holds every digit, so there always is one.
        id.push(uscc_check_character(id).unwrap_or('0'));
        name.clear();
        name.push_str(place.county_name);
        name.push_str(self.pick(&WORDS));
        name.push_str(products.first().map_or("", |p| self.catalogue.products[*p].name));
        name.push_str(ENDINGS[kind]);
    }

    fn cluster(&mut self, place: &Place, products: &[usize]) -> &'static str {
        let inside = |category: &str| {
            products.iter().any(|p| self.catalogue.products[*p].category.starts_with(category))
        };
        let own = CLUSTERS
            .iter()
            .find(|(city, category, _)| place.county.starts_with(city) && inside(category));
        own.map_or("", |(_, _, name)| name)
    }

    fn tier<W: Write>(
        &mut self,
        id: &str,
        products: &[usize],
        tables: &mut Tables<'_, W>,
    ) -> Result<(), GenerateError> {
        let tier = match self.stream.below(100) {
            0..45 => "A",
            45..75 => "B",
            75..93 => "C",
            _ => "D",
        };
        let product = if self.chance(250) {
            products.first().map_or("", |p| self.catalogue.products[*p].id)
        } else {
            ""
        };
        let valid_from = match self.stream.below(10) {
            0..6 => "",
            6..9 => "2025-07-01",
            _ => "2026-06-01",
        };
        tables.tiers.row(&[id, product, tier, valid_from])
    }

    fn unit<W: Write>(
        &mut self,
        place: &Place,
        kind: usize,
        id: &str,
        product: usize,
        tables: &mut Tables<'_, W>,
    ) -> Result<(), GenerateError> {
        let entry = &self.catalogue.products[product];
        let mut channels = [false; 3];
        channels[kind] = true;
        // Producers and shops that sell online as well.
        channels[2] |= entry.channels[2] && self.chance(60);
        for (number, channel) in CHANNELS.iter().enumerate().filter(|(i, _)| channels[*i]) {
            if number < 2 {
                tables.supply.row(&[id, entry.id, channel, "", ""])?;
                continue;
            }
            let first = self.stream.below(6) as usize;
            let second = self.chance(100).then(|| (first + 1 + self.stream.below(5) as usize) % 6);
            for platform in std::iter::once(first).chain(second) {
                let elsewhere = self.chance(300);
                let sale = if elsewhere { self.pick(&self.territory.counties) } else { "" };
                tables.supply.row(&[id, entry.id, channel, PLATFORMS[platform], sale])?;
            }
        }
        if self.chance(40) {
            let day = parse_date("2025-01-05").map(|first| {
                let month = add_months(first, self.stream.below(11) as u32);
                month.saturating_add(jiff::Span::new().days(self.stream.below(27) as i64))
            });
            let day = day.map(|day| day.to_string()).unwrap_or_default();
            let (level, digits) = match self.stream.below(100) {
                0..15 => ("province", 2),
                15..45 => ("city", 4),
                _ => ("county", 6),
            };
            let outcome = match self.stream.below(100) {
                0..10 => "failed",
                10..13 => "complaint",
                13..14 => "emergency",
                _ => "passed",
            };
            let authority = &place.county[..digits];
            tables.history.row(&[id, entry.id, level, authority, &day, outcome])?;
        }
        Ok(())
    }
}
